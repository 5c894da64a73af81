// Who is in a room of the chat.

import type { ChatClient, RoomSnapshot } from '../client';
import { printCount } from '../lib/format';
import { Name } from './basics';

export function ChatPeople({
  room,
  client,
}: {
  room: RoomSnapshot;
  client: ChatClient;
}) {
  const { members, membersPartial, name } = room;
  return (
    <>
      <ul className="people">
        {members.map((user) => (
          <li key={user}>
            <Name>{user}</Name>
          </li>
        ))}
      </ul>
      {membersPartial && (
        <p className="hint">
          The first {printCount(members.length)} are shown.{' '}
          <button
            type="button"
            className="small"
            onClick={() => client.refreshMembers(name)}
          >
            Ask again
          </button>
        </p>
      )}
    </>
  );
}
