// What views share: the console they stand in, the time, and data that is asked for.

import {
  createContext,
  useContext,
  useEffect,
  useEffectEvent,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import { type Api, ApiError, type Shard } from '../lib/api';
import type { KnownNode } from '../lib/gateways';
import { parseRoute, type Route } from '../lib/route';
import { type Role, roleMay, type Session } from '../lib/session';
import type { ServerEvent } from '../lib/sse';
import type { LiveStream, StreamSnapshot } from '../lib/stream';

export interface ConsoleContext {
  session: Session;
  api: Api;
  stream: LiveStream;
  nodes: readonly KnownNode[];
  shards: readonly Shard[];
  /** Tells the operator what became of something. */
  tell: (text: string, isError?: boolean) => void;
}

export const Console = createContext<ConsoleContext | null>(null);

export function useConsole(): ConsoleContext {
  const found = useContext(Console);
  if (!found) throw new Error('no console around this view');
  return found;
}

/** Whether the one who is signed in may do it; what they may not is not shown. */
export function useMay(need: Role): boolean {
  return roleMay(useConsole().session.role, need);
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(
    (changed) => {
      addEventListener('hashchange', changed);
      return () => removeEventListener('hashchange', changed);
    },
    () => location.hash,
  );
  return parseRoute(hash);
}

/** The time, second by second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);

  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function useStream(): StreamSnapshot {
  const { stream } = useConsole();
  return useSyncExternalStore(stream.subscribe, stream.snapshot);
}

/** Whether what the service told last is still so. */
export function useIsUpToDate(): boolean {
  const { state } = useStream();
  return state !== 'redis' && state !== 'offline';
}

/** Each event of the stream while the view is shown. */
export function useStreamEvents(onEvent: (event: ServerEvent) => void): void {
  const { stream } = useConsole();
  const take = useEffectEvent(onEvent);

  useEffect(() => stream.listen((event) => take(event)), [stream]);
}

export interface Resource<T> {
  /** What was got last; it stays while newer is asked for, or cannot be had. */
  data: T | null;
  error: unknown;
  /** When `data` was got, in ms since 1970. */
  at: number;
  reload: () => void;
}

const RETRY_MS = 2000;

function isPassing(error: unknown): boolean {
  return error instanceof ApiError && [0, 429, 503].includes(error.status);
}

/** Data that is asked for when `key` changes, when the stream comes (back) to life, each
 *  `everyMs`, and on reload; one request at a time, and again soon when it failed. */
export function useResource<T>(
  key: string,
  load: () => Promise<T>,
  everyMs = 0,
): Resource<T> {
  const { stream } = useConsole();
  const [state, setState] = useState({
    key,
    data: null as T | null,
    error: null as unknown,
    at: 0,
  });
  const again = useRef(() => {});
  const ask = useEffectEvent(load);

  useEffect(() => {
    let isOver = false;
    let isBusy = false;
    let isWanted = false;
    let timer: ReturnType<typeof setTimeout> | undefined;

    const run = async () => {
      isWanted = true;
      if (isBusy || isOver) return;
      isBusy = true;
      clearTimeout(timer);
      let pause = everyMs;
      while (isWanted && !isOver) {
        isWanted = false;
        try {
          const data = await ask();
          pause = everyMs;
          if (!isOver) setState({ key, data, error: null, at: Date.now() });
        } catch (error) {
          pause = isPassing(error) ? RETRY_MS : everyMs;
          if (!isOver)
            setState((was) => ({
              key,
              data: was.key === key && isPassing(error) ? was.data : null,
              error,
              at: was.at,
            }));
        }
      }
      isBusy = false;
      if (pause > 0 && !isOver) timer = setTimeout(run, pause);
    };
    again.current = () => void run();
    void run();
    const deaf = stream.listen(({ type }) => type === 'live' && void run());
    return () => {
      isOver = true;
      clearTimeout(timer);
      deaf();
    };
  }, [key, everyMs, stream]);

  const reload = useRef(() => again.current()).current;
  const isOurs = state.key === key;
  return {
    data: isOurs ? state.data : null,
    error: isOurs ? state.error : null,
    at: state.at,
    reload,
  };
}

/** Does something for the operator; whether it is under way. */
export function useAction(): [boolean, (act: () => Promise<void>) => Promise<boolean>] {
  const { tell } = useConsole();
  const [busy, setBusy] = useState(false);

  const run = async (act: () => Promise<void>) => {
    setBusy(true);
    try {
      await act();
      return true;
    } catch (error) {
      tell(error instanceof Error ? error.message : String(error), true);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return [busy, run];
}
