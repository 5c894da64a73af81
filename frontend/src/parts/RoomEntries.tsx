// The bans, or the mutes, of a room: they outlive it, and can be given before it is there.

import { Plus, Undo2 } from 'lucide-react';
import { useState } from 'react';
import type { Api, Entry } from '../lib/api';
import { printUntil } from '../lib/format';
import { Loaded, Name, Ticking } from './basics';
import { useAction, useConsole, useMay, useResource, useStreamEvents } from './hooks';
import { Moderate } from './Moderate';

const PAGES_MAX = 10;
const AGAIN_MS = 15_000;

async function loadEntries(api: Api, room: string, kind: 'bans' | 'mutes') {
  const entries: Entry[] = [];
  let cursor: string | null = null;

  for (let page = 0; page < PAGES_MAX; page++) {
    const got: { entries: Entry[]; next: string | null } = await api.entries(
      room,
      kind,
      cursor,
    );
    entries.push(...got.entries);
    cursor = got.next;
    if (cursor === null) break;
  }
  return { entries, more: cursor !== null };
}

export function RoomEntries({ room, deed }: { room: string; deed: 'ban' | 'mute' }) {
  const { api, tell } = useConsole();
  const mayModerate = useMay('moderator');
  const [adding, setAdding] = useState(false);
  const [busy, run] = useAction();
  const kind = deed === 'ban' ? 'bans' : 'mutes';
  const title = deed === 'ban' ? 'Bans' : 'Mutes';
  const list = useResource(
    `${kind} ${room}`,
    () => loadEntries(api, room, kind),
    AGAIN_MS,
  );

  useStreamEvents(({ type }) => {
    if (type === 'audit') list.reload();
  });
  const lift = (user: string) =>
    run(async () => {
      await api.lift(room, user, deed);
      tell(`The ${deed} of ${user} is lifted`);
      list.reload();
    });
  return (
    <section className="panel entries" aria-label={title}>
      <h2>
        {title}
        {mayModerate && (
          <button type="button" className="small" onClick={() => setAdding(true)}>
            <Plus aria-hidden /> {deed === 'ban' ? 'Ban' : 'Mute'} a name
          </button>
        )}
      </h2>
      <Loaded resource={list}>
        {({ entries, more }) =>
          entries.length === 0 ? (
            <p className="hint">None.</p>
          ) : (
            <ul className="people">
              {entries.map(({ user, until }) => (
                <li key={user}>
                  <Name>{user}</Name>
                  <span className="hint">
                    <Ticking print={(now) => printUntil(until, now)} />
                  </span>
                  {mayModerate && (
                    <button
                      type="button"
                      className="small"
                      aria-label={`Lift the ${deed} of ${user}`}
                      disabled={busy}
                      onClick={() => lift(user)}
                    >
                      <Undo2 aria-hidden /> Lift
                    </button>
                  )}
                </li>
              ))}
              {more && (
                <li className="hint">And more: docs/admin.md has them by curl.</li>
              )}
            </ul>
          )
        }
      </Loaded>
      {adding && (
        <Moderate
          deed={deed}
          room={room}
          user={null}
          onClose={() => setAdding(false)}
          onDone={list.reload}
        />
      )}
    </section>
  );
}
