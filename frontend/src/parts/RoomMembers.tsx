// Who is in a room, and what an operator may do to them.

import { Ban, MicOff, Unplug, UserX } from 'lucide-react';
import { useState } from 'react';
import { type Api, ApiError, type MemberRow } from '../lib/api';
import { printCount } from '../lib/format';
import { Empty, Loaded, Name } from './basics';
import { useConsole, useMay, useResource, useStreamEvents } from './hooks';
import { type Deed, Moderate } from './Moderate';

const PAGE = 100;
const AGAIN_MS = 4000; // large rooms do not tell who comes and goes

const BUTTONS = [
  { deed: 'kick', title: 'Kick', Icon: UserX },
  { deed: 'mute', title: 'Mute', Icon: MicOff },
  { deed: 'ban', title: 'Ban', Icon: Ban },
  { deed: 'disconnect', title: 'Disconnect', Icon: Unplug },
] as const;

async function loadMembers(api: Api, room: string, wanted: number) {
  const users = new Map<string, MemberRow>();
  let cursor: string | null = null;
  let count = 0;

  try {
    do {
      const page = await api.members(room, cursor, Math.min(1000, wanted));
      for (const member of page.members) users.set(member.user, member);
      cursor = page.next;
      count = page.count;
    } while (cursor !== null && users.size < wanted);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
  }
  return { members: [...users.values()], count, more: cursor !== null };
}

export function RoomMembers({ room, onDone }: { room: string; onDone: () => void }) {
  const { api } = useConsole();
  const mayModerate = useMay('moderator');
  const [wanted, setWanted] = useState(PAGE);
  const [order, setOrder] = useState<{ deed: Deed; user: string } | null>(null);
  const list = useResource(
    `members ${wanted} ${room}`,
    () => loadMembers(api, room, wanted),
    AGAIN_MS,
  );

  useStreamEvents(({ type }) => {
    if (type === 'member_joined' || type === 'member_left') list.reload();
  });
  return (
    <section className="panel members" aria-label="Members">
      <h2>
        Members{' '}
        <span className="hint number">
          {list.data ? printCount(list.data.count) : ''}
        </span>
      </h2>
      <Loaded resource={list}>
        {({ members, more }) =>
          members.length === 0 ? (
            <Empty title="Nobody is in" />
          ) : (
            <ul className="people">
              {members.map(({ user, nodes }) => (
                <li key={user}>
                  <Name>{user}</Name>
                  {nodes > 1 && <span className="hint">×{nodes}</span>}
                  <span className="people-actions">
                    {(mayModerate ? BUTTONS : []).map(({ deed, title, Icon }) => (
                      <button
                        key={deed}
                        type="button"
                        className="icon"
                        aria-label={`${title} ${user}`}
                        title={title}
                        onClick={() => setOrder({ deed, user })}
                      >
                        <Icon aria-hidden />
                      </button>
                    ))}
                  </span>
                </li>
              ))}
              {more && (
                <li>
                  <button type="button" onClick={() => setWanted(wanted + 5 * PAGE)}>
                    Show more
                  </button>
                </li>
              )}
            </ul>
          )
        }
      </Loaded>
      {order && (
        <Moderate
          {...order}
          room={room}
          onClose={() => setOrder(null)}
          onDone={() => {
            list.reload();
            onDone();
          }}
        />
      )}
    </section>
  );
}
