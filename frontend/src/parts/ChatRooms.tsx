// The rooms that one is in, with what is unread, and the way into more.

import { Plus, X } from 'lucide-react';
import { type SubmitEvent, useState } from 'react';
import type { ChatClient, RoomSnapshot } from '../client';
import { whyNoName } from '../lib/chat_memory';
import { printCount } from '../lib/format';
import { Name } from './basics';

const ROOM_BYTES = 128;

function JoinBox({ onJoin }: { onJoin: (room: string) => void }) {
  const [name, setName] = useState('');
  const [problem, setProblem] = useState('');

  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    const why = whyNoName(name.normalize(), ROOM_BYTES);
    setProblem(why ?? '');
    if (why !== null) return;
    onJoin(name.normalize());
    setName('');
  };
  return (
    <form className="join" onSubmit={onSubmit}>
      <input
        aria-label="Room to join"
        placeholder="Join a room"
        value={name}
        dir="auto"
        onChange={(event) => setName(event.target.value)}
      />
      <button type="submit" className="icon" aria-label="Join" title="Join">
        <Plus aria-hidden />
      </button>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}

export function ChatRooms({
  client,
  rooms,
  current,
  onOpen,
}: {
  client: ChatClient;
  rooms: readonly RoomSnapshot[];
  current: string | null;
  onOpen: (room: string) => void;
}) {
  return (
    <nav className="panel chat-rooms" aria-label="Rooms">
      <ul>
        {rooms.map(({ name, unread, phase }) => (
          <li key={name} className={name === current ? 'current' : ''}>
            <button
              type="button"
              className="chat-room"
              aria-current={name === current || undefined}
              onClick={() => onOpen(name)}
            >
              <Name>{name}</Name>
              {phase === 'ended' && <span className="hint">out</span>}
              {unread > 0 && (
                <span className="unread number">
                  {printCount(unread)}
                  <span className="hidden"> unread</span>
                </span>
              )}
            </button>
            <button
              type="button"
              className="icon"
              aria-label={`Leave ${name}`}
              title="Leave"
              onClick={() => client.leave(name)}
            >
              <X aria-hidden />
            </button>
          </li>
        ))}
      </ul>
      <JoinBox
        onJoin={(room) => {
          client.join(room);
          onOpen(room);
        }}
      />
    </nav>
  );
}
