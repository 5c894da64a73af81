// What stands around every view: where one can go, and how the service is.

import {
  Database,
  LayoutDashboard,
  LogOut,
  MessagesSquare,
  Monitor,
  Moon,
  Rows3,
  ScrollText,
  Server,
  Sun,
} from 'lucide-react';
import { type ReactNode, useEffect } from 'react';
import { isTrouble } from '../lib/gateways';
import { printRoute, type Route } from '../lib/route';
import { printDown } from '../lib/shards';
import { Name } from './basics';
import { useConsole, useStream } from './hooks';
import { useTheme } from './theme';

const PLACES = [
  { view: 'overview', title: 'Overview', Icon: LayoutDashboard },
  { view: 'rooms', title: 'Rooms', Icon: Rows3 },
  { view: 'gateways', title: 'Gateways', Icon: Server },
  { view: 'shards', title: 'Shards', Icon: Database },
  { view: 'audit', title: 'Audit trail', Icon: ScrollText },
  { view: 'chat', title: 'Chat', Icon: MessagesSquare },
] as const;

const THEMES = {
  auto: { title: 'Colours: as the system', Icon: Monitor },
  light: { title: 'Colours: light', Icon: Sun },
  dark: { title: 'Colours: dark', Icon: Moon },
};

function useHealth(): [kind: string, text: string] {
  const { state, stats } = useStream();
  const { nodes, shards } = useConsole();
  const down = printDown(shards);
  const troubled = nodes.filter(isTrouble).length;

  if (state === 'connecting') return ['idle', 'Connecting…'];
  if (state === 'offline') return ['bad', 'No answer, retrying'];
  if (state === 'redis') return ['bad', 'Redis is away'];
  if (state === 'full') return ['warn', 'Too many listen, not live'];
  if (down) return ['bad', down];
  if (troubled > 0) return ['warn', `${troubled} not well`];
  if (stats && stats.gateways === 0) return ['warn', 'No gateway runs'];
  return ['good', 'All is well'];
}

function Health() {
  const [kind, text] = useHealth();
  return (
    <div className={`health health-${kind}`} role="status" aria-label="Health">
      <span className="dot" aria-hidden />
      {text}
    </div>
  );
}

/** Who is signed in, and as what. */
function Who() {
  const { name, role } = useConsole().session;
  return (
    <span className="who wide-only" title={`Signed in as ${name}, ${role}`}>
      <Name>{name}</Name> <span className="hint">{role}</span>
    </span>
  );
}

function ThemeButton() {
  const [theme, next] = useTheme();
  const { title, Icon } = THEMES[theme];
  return (
    <button
      type="button"
      className="icon"
      title={title}
      aria-label={title}
      onClick={next}
    >
      <Icon aria-hidden />
    </button>
  );
}

/** Above the chat of users without a token. */
export function AloneBar() {
  return (
    <div className="bar">
      <Brand />
      <div className="bar-actions">
        <a href={printRoute({ view: 'overview' })}>To the console</a>
        <ThemeButton />
      </div>
    </div>
  );
}

export function Brand() {
  return (
    <span className="brand">
      <img src="/favicon.svg" alt="" width="26" height="26" />
      roomcast
    </span>
  );
}

export function Shell({
  route,
  onSignOut,
  children,
}: {
  route: Route;
  onSignOut: () => void;
  children: ReactNode;
}) {
  const here = route.view === 'room' ? 'rooms' : route.view;
  const title = PLACES.find(({ view }) => view === here)?.title;

  useEffect(() => {
    if (here !== 'chat') document.title = `${title} · roomcast`; // the chat counts in its own
  }, [here, title]);
  return (
    <div className="shell">
      <button type="button" className="skip" onClick={focusMain}>
        Skip to content
      </button>
      <div className="bar">
        <Brand />
        <Health />
        <div className="bar-actions">
          <Who />
          <ThemeButton />
          <button
            type="button"
            className="icon"
            title="Sign out"
            aria-label="Sign out"
            onClick={onSignOut}
          >
            <LogOut aria-hidden />
          </button>
        </div>
      </div>
      <nav aria-label="Views">
        {PLACES.map(({ view, title, Icon }) => (
          <a
            key={view}
            href={printRoute({ view })}
            aria-current={here === view ? 'page' : undefined}
          >
            <Icon aria-hidden />
            <span>{title}</span>
          </a>
        ))}
      </nav>
      <main id="main" tabIndex={-1} className={`view-${route.view}`}>
        {children}
      </main>
    </div>
  );
}

/** Not a link: the hash is the route. */
function focusMain(): void {
  document.getElementById('main')?.focus();
}
