// Who sees what: the sign-in, the console around its views, or the chat alone for
// users without a token.

import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { Api, type GatewayNode, type Shard } from './lib/api';
import { errorText } from './lib/format';
import { type KnownNode, mergeNodes } from './lib/gateways';
import { endLogin, endSession } from './lib/login';
import { printRoute, type Route } from './lib/route';
import { readSession, type Session, writeSession } from './lib/session';
import { LiveStream } from './lib/stream';
import { Broken } from './parts/Broken';
import { Console, useRoute } from './parts/hooks';
import { AloneBar, Shell } from './parts/Shell';
import { type Toast, Toasts } from './parts/Toasts';
import { Audit } from './views/Audit';
import { Chat } from './views/Chat';
import { Gateways } from './views/Gateways';
import { Overview } from './views/Overview';
import { Room } from './views/Room';
import { Rooms } from './views/Rooms';
import { Shards } from './views/Shards';
import { SignIn } from './views/SignIn';

function View({ route }: { route: Route }) {
  switch (route.view) {
    case 'overview':
      return <Overview />;
    case 'rooms':
      return <Rooms />;
    case 'room':
      return <Room key={route.room} room={route.room} />;
    case 'gateways':
      return <Gateways />;
    case 'shards':
      return <Shards />;
    case 'audit':
      return <Audit />;
    case 'chat':
      return <Chat />;
  }
}

const NODES_MS = 3000;
const SHARDS_MS = 5000;

/** The gateways, as the stream tells when one comes or goes, and else every few seconds. */
function useNodes(api: Api, stream: LiveStream): readonly KnownNode[] {
  const [nodes, setNodes] = useState<readonly KnownNode[]>([]);

  useEffect(() => {
    const take = ({ gateways }: { gateways: GatewayNode[] }) =>
      setNodes((before) => mergeNodes(before, gateways, Date.now()));
    const ask = () => api.gateways().then(take, () => {}); // the stream says why
    const timer = setInterval(ask, NODES_MS);
    const deaf = stream.listen(({ type, data }) => {
      if (type === 'gateways') take(data as { gateways: GatewayNode[] });
    });
    void ask();
    return () => {
      clearInterval(timer);
      deaf();
    };
  }, [api, stream]);
  return nodes;
}

/** The shards as they were told last; none before the first answer. */
function useShards(api: Api, stream: LiveStream): readonly Shard[] {
  const [shards, setShards] = useState<readonly Shard[]>([]);

  useEffect(() => {
    const ask = () =>
      api.shards().then(
        ({ shards }) => setShards(shards),
        () => {}, // the stream says why
      );
    const timer = setInterval(ask, SHARDS_MS);
    const deaf = stream.listen(({ type }) => type === 'live' && void ask());
    void ask();
    return () => {
      clearInterval(timer);
      deaf();
    };
  }, [api, stream]);
  return shards;
}

function SignedIn({
  session,
  route,
  onSignOut,
}: {
  session: Session;
  route: Route;
  onSignOut: (why: string) => void;
}) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const api = useMemo(
    () =>
      new Api(session, () => onSignOut('You were signed out: the token is not valid.')),
    [session, onSignOut],
  );
  const stream = useMemo(() => new LiveStream(api), [api]);
  const nodes = useNodes(api, stream);
  const shards = useShards(api, stream);
  const tell = useCallback(
    (text: string, isError = false) =>
      setToasts((now) => [
        ...now.slice(-2),
        { id: (now.at(-1)?.id ?? 0) + 1, text, isError },
      ]),
    [],
  );

  const putAway = useCallback(
    (id: number) => setToasts((now) => now.filter((toast) => toast.id !== id)),
    [],
  );

  useEffect(() => {
    stream.open();
    return () => stream.close();
  }, [stream]);
  useEffect(() => {
    stream.follow(route.view === 'room' ? route.room : null);
  }, [stream, route]);
  const context = useMemo(
    () => ({ session, api, stream, nodes, shards, tell }),
    [session, api, stream, nodes, shards, tell],
  );
  return (
    <Console value={context}>
      <Shell
        route={route}
        onSignOut={() => {
          endSession(session);
          onSignOut('');
        }}
      >
        <Broken at={printRoute(route)}>
          <View route={route} />
        </Broken>
      </Shell>
      <Toasts toasts={toasts} onDone={putAway} />
    </Console>
  );
}

/** `code`: of somebody who has just come back from the provider. */
export function App({ code }: { code: string | null }) {
  const route = useRoute();
  const [session, setSession] = useState(readSession);
  const [notice, setNotice] = useState('');
  const sign = useCallback((next: Session | null, why = '') => {
    writeSession(next);
    setNotice(why);
    setSession(next);
  }, []);
  const [isComing, setIsComing] = useState(code !== null);
  const isAsked = useRef(false); // a code counts once
  useEffect(() => {
    if (code === null || isAsked.current) return;
    isAsked.current = true;
    endLogin(code)
      .then(sign, (error) => sign(null, `You are not signed in: ${errorText(error)}`))
      .finally(() => setIsComing(false));
  }, [code, sign]);
  const signOut = useCallback((why: string) => sign(null, why), [sign]);

  if (session) return <SignedIn session={session} route={route} onSignOut={signOut} />;
  if (route.view === 'chat')
    return (
      <div className="alone">
        <AloneBar />
        <main>
          <Chat />
        </main>
      </div>
    );
  if (isComing) return <p role="status">Signing in…</p>;
  return <SignIn notice={notice} onSignIn={sign} />;
}
