// What the operator of a chat service wants to see from across the room: how many people,
// rooms, gateways and messages, each over time, and whether all is well.

import { useMemo, useState } from 'react';
import type { Sample, Shard } from '../lib/api';
import { printCount, printRate } from '../lib/format';
import { isTrouble } from '../lib/gateways';
import { lastOf, type Measure, mergeSamples, pointsOf } from '../lib/series';
import { printDown } from '../lib/shards';
import type { StreamState } from '../lib/stream';
import { Badge, Since, ViewHead } from '../parts/basics';
import { useConsole, useIsUpToDate, useResource, useStream } from '../parts/hooks';
import { LineChart } from '../parts/LineChart';
import { NodeBadge } from '../parts/NodeBadge';
import { Trail } from '../parts/Trail';

const RANGES = [
  { minutes: 5, title: '5 min' },
  { minutes: 15, title: '15 min' },
  { minutes: 60, title: '1 h' },
  { minutes: 360, title: '6 h' },
  { minutes: 1440, title: '24 h' },
];

const CARDS: { measure: Measure; title: string; print: (n: number) => string }[] = [
  { measure: 'connections', title: 'People online', print: printCount },
  { measure: 'rooms', title: 'Rooms', print: printCount },
  { measure: 'gateways', title: 'Gateways', print: printCount },
  { measure: 'rate', title: 'Messages a second', print: printRate },
];

const KEPT_MS = 60_000; // the stream has what came since

function RangeChoice({
  minutes,
  onChoose,
}: {
  minutes: number;
  onChoose: (minutes: number) => void;
}) {
  return (
    <fieldset className="choice">
      <legend className="hidden">Time range</legend>
      {RANGES.map((range) => (
        <label key={range.minutes}>
          <input
            type="radio"
            name="range"
            checked={range.minutes === minutes}
            onChange={() => onChoose(range.minutes)}
          />
          <span>{range.title}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Card({
  card: { measure, title, print },
  samples,
  from,
  to,
}: {
  card: (typeof CARDS)[number];
  samples: readonly Sample[];
  from: number;
  to: number;
}) {
  const points = useMemo(() => pointsOf(samples, measure), [samples, measure]);
  const now = lastOf(points);
  return (
    <section className="panel card" aria-label={title}>
      <h2>{title}</h2>
      <p className="big number">{now === null ? '–' : print(now)}</p>
      <LineChart label={title} points={points} from={from} to={to} print={print} />
    </section>
  );
}

const REDIS: Record<StreamState, [kind: string, words: string]> = {
  connecting: ['idle', 'asking'],
  live: ['ready', 'answers'],
  full: ['ready', 'answers'],
  redis: ['dead', 'does not answer'],
  offline: ['idle', 'not known'],
};

/** Of several shards, how many answer. */
function wordsOf(
  state: StreamState,
  shards: readonly Shard[],
): [kind: string, words: string] {
  const down = state === 'live' || state === 'full' ? printDown(shards) : null;
  return down ? ['dead', down] : REDIS[state];
}

function HealthList() {
  const { nodes, shards } = useConsole();
  const { state } = useStream();
  const [kind, words] = wordsOf(state, shards);
  return (
    <section className="panel">
      <h2>Health</h2>
      <ul className="health-list">
        <li>
          <span>Redis</span>
          <Badge kind={kind}>{words}</Badge>
        </li>
        {nodes.map((node) => (
          <li key={node.node} className={isTrouble(node) ? 'trouble' : ''}>
            <span className="address" title={node.node}>
              {node.address ?? node.node}
            </span>
            <NodeBadge node={node} />
          </li>
        ))}
        {nodes.length === 0 && state === 'live' && (
          <li className="hint">No gateway runs.</li>
        )}
      </ul>
    </section>
  );
}

export function Overview() {
  const { api } = useConsole();
  const { samples: live } = useStream();
  const isUpToDate = useIsUpToDate();
  const [minutes, setMinutes] = useState(15);
  const kept = useResource(`online ${minutes}`, () => api.online(minutes), KEPT_MS);
  const to = Math.max(live.at(-1)?.ts ?? 0, kept.at) || Date.now();
  const from = to - minutes * 60_000;
  const samples = useMemo(
    () => mergeSamples(kept.data?.samples ?? [], live, from),
    [kept.data, live, from],
  );
  return (
    <>
      <ViewHead
        title="Overview"
        note={<Since ms={isUpToDate ? null : (live.at(-1)?.ts ?? null)} />}
      >
        <RangeChoice minutes={minutes} onChoose={setMinutes} />
      </ViewHead>
      <div className="cards">
        {CARDS.map((card) => (
          <Card key={card.measure} card={card} samples={samples} from={from} to={to} />
        ))}
      </div>
      <div className="halves">
        <HealthList />
        <section className="panel">
          <h2>
            Latest actions <a href="#/audit">Audit trail</a>
          </h2>
          <Trail most={6} />
        </section>
      </div>
    </>
  );
}
