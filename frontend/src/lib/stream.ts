// The admin service's events, for as long as somebody is signed in: one connection a tab,
// because browsers open only six to a host. Which room it follows besides can change.
//
//     connect -> live -> events …          silent for 5 s (stats come each second) -> lost
//        ^                 |
//        +-- waiting <-----+   full jitter; `redis`, `full`, `offline` say what is wrong
//
// What happens meanwhile is not made up for by the service: who follows the stream asks
// again on `live`, and when Redis came back.

import { pauseMs } from '../client/backoff';
import { type Api, ApiError, type Sample, type Stats } from './api';
import { EventParser, type ServerEvent } from './sse';

/** full: the service has as many listeners as it may; all else can be asked for. */
export type StreamState = 'connecting' | 'live' | 'redis' | 'full' | 'offline';

export interface StreamSnapshot {
  state: StreamState;
  stats: Stats | null;
  /** The last minutes second by second. */
  samples: readonly Sample[];
}

const PAUSES = { leastMs: 500, mostMs: 5000 };
const SILENCE_MS = 5000;
const SAMPLES_MAX = 900;

export class LiveStream {
  private snapshotNow: StreamSnapshot = {
    state: 'connecting',
    stats: null,
    samples: [],
  };
  private readonly watchers = new Set<() => void>();
  private readonly listeners = new Set<(event: ServerEvent) => void>();
  private room: string | null = null;
  private attempts = 0;
  private stop: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly api: Api) {}

  open(): void {
    if (!this.stop) void this.run();
  }

  close(): void {
    this.stop?.abort();
    this.stop = null;
    clearTimeout(this.timer);
  }

  snapshot = (): StreamSnapshot => this.snapshotNow;

  subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  /** Each event as it comes, and `live` whenever what was seen may be old. */
  listen(listener: (event: ServerEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  follow(room: string | null): void {
    if (room === this.room) return;
    this.room = room;
    if (!this.stop) return;
    this.close();
    this.open();
  }

  private set(change: Partial<StreamSnapshot>): void {
    this.snapshotNow = { ...this.snapshotNow, ...change };
    for (const watcher of this.watchers) watcher();
  }

  private tell(event: ServerEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  private async run(): Promise<void> {
    const stop = new AbortController();

    this.stop = stop;
    try {
      await this.read(stop);
    } catch (error) {
      if (this.stop === stop) this.retry(error);
    }
  }

  private async read(stop: AbortController): Promise<void> {
    const query = this.room === null ? '' : `?room=${encodeURIComponent(this.room)}`;
    const answer = await this.api.open(`/events${query}`, { signal: stop.signal });
    const reader = answer.body?.getReader();
    const parser = new EventParser();

    let isLive = false;
    while (reader) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => stop.abort(), SILENCE_MS);
      const { done, value } = await reader.read();
      if (done || this.stop !== stop) break;
      for (const event of parser.feed(value)) {
        if (!isLive) this.begin();
        isLive = true;
        this.take(event);
      }
    }
    throw new ApiError(0, 'offline', 'the service ended the stream');
  }

  /** The first event says that nothing is missed from now on. */
  private begin(): void {
    this.attempts = 0;
    this.set({ state: 'live' });
    this.tell({ type: 'live', data: null });
  }

  private take(event: ServerEvent): void {
    if (event.type === 'stats') this.takeStats(event.data as Stats);
    if (event.type === 'status')
      this.takeStatus((event.data as { redis: string }).redis);
    this.tell(event);
  }

  private takeStats(stats: Stats): void {
    const { redis_up, ...totals } = stats;
    const samples = redis_up
      ? [...this.snapshotNow.samples, { ts: Date.now(), ...totals }].slice(-SAMPLES_MAX)
      : this.snapshotNow.samples;

    this.takeStatus(redis_up ? 'up' : 'down');
    this.set({ stats, samples });
  }

  private takeStatus(redis: string): void {
    const was = this.snapshotNow.state;

    this.set({ state: redis === 'up' ? 'live' : 'redis' });
    if (was === 'redis' && redis === 'up') this.tell({ type: 'live', data: null });
  }

  private retry(error: unknown): void {
    const status = error instanceof ApiError ? error.status : 0;

    clearTimeout(this.timer);
    if (status === 401) return; // the session's owner has been told
    this.attempts++;
    if (status === 503) void this.findOut();
    else this.set({ state: 'offline' });
    this.timer = setTimeout(() => void this.run(), pauseMs(this.attempts, PAUSES));
  }

  /** The service refuses to be listened to: for want of Redis, or of room. */
  private async findOut(): Promise<void> {
    const stats = await this.api.stats().catch(() => null);
    const state = stats?.redis_up ? 'full' : 'redis';
    if (this.attempts > 0) this.set({ state, stats }); // it may listen by now
  }
}
