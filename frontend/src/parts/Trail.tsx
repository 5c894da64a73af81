// The audit trail, newest first: pages that were asked for, and what is done while one looks.

import { useState } from 'react';
import type { AuditEntry } from '../lib/api';
import { printCount } from '../lib/format';
import { Empty, Loaded, Name, RoomLink, Time } from './basics';
import { useAction, useConsole, useResource, useStreamEvents } from './hooks';

const WORDS: Record<string, string> = {
  publish: 'posted in',
  delete: 'deleted a message in',
  kick: 'kicked',
  close: 'closed',
  ban: 'banned',
  unban: 'lifted the ban of',
  mute: 'muted',
  unmute: 'lifted the mute of',
  disconnect: 'disconnected',
  revoke: 'revoked the tokens of',
  revoke_one: 'revoked a token',
  classes: 'changed the classes of rooms:',
  token: 'made a token for',
};

function Sentence({ entry }: { entry: AuditEntry }) {
  const { who, what, room, user, seq, detail } = entry;
  const isOfUser = user !== null && what !== 'publish' && what !== 'delete';
  return (
    <p className="sentence">
      <Name>{who}</Name>{' '}
      {WORDS[what === 'revoke' && user === null ? 'revoke_one' : what] ?? what}{' '}
      {isOfUser && <Name>{user}</Name>}
      {isOfUser && room !== null && ' in '}
      {room !== null && <RoomLink room={room} />}
      {seq !== null && <span className="hint"> #{printCount(seq)}</span>}
      {detail && (
        <span className="hint">
          {' '}
          “<bdi>{detail}</bdi>”
        </span>
      )}
    </p>
  );
}

function merge(...lists: (readonly AuditEntry[])[]): AuditEntry[] {
  const all = new Map(lists.flat().map((entry) => [entry.id, entry]));
  return [...all.values()].sort((a, b) => b.ts - a.ts || (a.id < b.id ? 1 : -1));
}

export function Trail({ most }: { most?: number }) {
  const { api } = useConsole();
  const [live, setLive] = useState<AuditEntry[]>([]);
  const [older, setOlder] = useState<{ entries: AuditEntry[]; next: string | null }>();
  const [busy, run] = useAction();
  const newest = useResource('audit', () => api.audit(null));

  useStreamEvents(({ type, data }) => {
    if (type === 'audit') setLive((now) => [data as AuditEntry, ...now].slice(0, 500));
  });
  return (
    <Loaded resource={newest}>
      {({ entries, next }) => {
        const all = merge(live, entries, older?.entries ?? []);
        const cursor = older ? older.next : next;
        const loadOlder = () =>
          run(async () => {
            const page = await api.audit(cursor);
            setOlder({
              entries: merge(older?.entries ?? [], page.entries),
              next: page.next,
            });
          });

        if (all.length === 0)
          return (
            <Empty title="Nobody has done anything yet">
              What operators do with the API stands here.
            </Empty>
          );
        return (
          <>
            <ol className="trail" aria-label="Actions, newest first">
              {all.slice(0, most ?? all.length).map((entry) => (
                <li key={entry.id}>
                  <Time ms={entry.ts} />
                  <Sentence entry={entry} />
                  {!most && <span className="hint from">from {entry.from}</span>}
                </li>
              ))}
            </ol>
            {!most && cursor !== null && (
              <div className="pager">
                <button type="button" onClick={loadOlder} disabled={busy}>
                  Older
                </button>
              </div>
            )}
          </>
        );
      }}
    </Loaded>
  );
}
