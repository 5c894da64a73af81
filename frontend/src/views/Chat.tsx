// The page that an end user would get: one name, several rooms, over src/client. Where the fleet asks
// for tokens, an operator who may make some gets them here; others only watch. Addresses come from /config.json; which of them is tried first is chance, unless
// one wants to look at a certain gateway.

import { type SubmitEvent, useEffect, useState, useSyncExternalStore } from 'react';
import { ChatClient } from '../client';
import { ApiError, fetchConfig } from '../lib/api';
import { readChat, whyNoName, writeChat } from '../lib/chat_memory';
import { findTokens } from '../lib/chat_token';
import { errorText, printCount } from '../lib/format';
import { readSession } from '../lib/session';
import { Empty, Failed, Loading, Name, ViewHead } from '../parts/basics';
import { ChatPeople } from '../parts/ChatPeople';
import { ChatRooms } from '../parts/ChatRooms';
import { ChatTalk } from '../parts/ChatTalk';
import { connectionWords } from '../parts/chat_words';
import { useNow } from '../parts/hooks';

const USER_BYTES = 64;
const FIRST_ROOM = 'lobby';
const RETRY_MS = 2000;

interface Wish {
  user: string;
  rooms: string[];
  /** The address to begin with; undefined: any. */
  first?: number;
}

/** null: not known yet. */
function useAddresses(): { addresses: string[] | null; error: unknown } {
  const [addresses, setAddresses] = useState<string[] | null>(null);
  const [error, setError] = useState<unknown>(null);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    const ask = async () => {
      try {
        const { ws_urls } = await fetchConfig();
        if (!isOver) setAddresses(ws_urls);
      } catch (problem) {
        if (isOver) return;
        setError(problem);
        if (problem instanceof ApiError) timer = setTimeout(ask, RETRY_MS);
      }
    };
    void ask();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, []);
  return { addresses, error };
}

/** The client of this wish; null: none. */
function useClient(addresses: string[] | null, wish: Wish | null): ChatClient | null {
  const [client, setClient] = useState<ChatClient | null>(null);

  useEffect(() => {
    if (!addresses || !wish) return;
    const { user, rooms, first } = wish;
    let made: ChatClient | undefined;
    let isOver = false;
    const wake = () => made?.wake();
    const open = async () => {
      const token = await findTokens(user);
      if (isOver) return;
      made = new ChatClient({
        addresses,
        user,
        ...(first !== undefined && { first }),
        ...(token && { token }),
      });
      for (const room of rooms) made.join(room);
      setClient(made);
    };

    void open();
    addEventListener('online', wake);
    document.addEventListener('visibilitychange', wake);
    return () => {
      isOver = true;
      removeEventListener('online', wake);
      document.removeEventListener('visibilitychange', wake);
      made?.close();
      setClient(null);
    };
  }, [addresses, wish]);
  return client;
}

function Enter({
  addresses,
  onEnter,
}: {
  addresses: string[];
  onEnter: (wish: Wish) => void;
}) {
  const [problem, setProblem] = useState('');

  const onSubmit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const user = String(fields.get('user')).trim().normalize();
    const room = String(fields.get('room')).trim().normalize();
    const first = Number(fields.get('first') ?? -1);
    const why = whyNoName(user, USER_BYTES) ?? whyNoName(room, 2 * USER_BYTES);
    setProblem(why ?? '');
    if (why === null) onEnter({ user, rooms: [room], ...(first >= 0 && { first }) });
  };
  return (
    <form className="panel enter" onSubmit={onSubmit}>
      <label>
        Your name
        <input name="user" required dir="auto" autoComplete="nickname" />
      </label>
      <label>
        Room
        <input name="room" required dir="auto" defaultValue={FIRST_ROOM} />
      </label>
      {addresses.length > 1 && (
        <label>
          Gateway to begin with
          <select name="first" defaultValue="-1">
            <option value="-1">Any</option>
            {addresses.map((address, i) => (
              <option key={address} value={i}>
                {address}
              </option>
            ))}
          </select>
        </label>
      )}
      <p className="problem" role="alert">
        {problem}
      </p>
      <button type="submit" className="primary">
        Enter
      </button>
      <p className="hint">Names are not proven: anybody may take any.</p>
    </form>
  );
}

/** What is looked at is read, as long as somebody looks. */
function useWatch(client: ChatClient, room: string | null, unread: number): void {
  useEffect(() => {
    const watch = () => client.watch(document.hidden ? null : room);
    watch();
    document.addEventListener('visibilitychange', watch);
    return () => document.removeEventListener('visibilitychange', watch);
  }, [client, room]);
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ''}Chat · roomcast`;
  }, [unread]);
}

function Inside({
  client,
  onAgain,
  onLeave,
}: {
  client: ChatClient;
  onAgain: (rooms: string[]) => void;
  onLeave: () => void;
}) {
  const chat = useSyncExternalStore(
    (changed) => client.subscribe(changed),
    () => client.snapshot(),
  );
  const [chosen, setChosen] = useState<string | null>(null);
  const now = useNow();
  const { rooms, user } = chat;
  const room = rooms.find(({ name }) => name === chosen) ?? rooms[0] ?? null;
  const names = rooms.map(({ name }) => name);
  const { tone, words, detail } = connectionWords(chat, now);
  const memory = JSON.stringify({ user, rooms: names });

  useEffect(() => writeChat(JSON.parse(memory)), [memory]);
  useWatch(
    client,
    room?.name ?? null,
    rooms.reduce((sum, each) => sum + each.unread, 0),
  );
  return (
    <>
      <ViewHead
        title="Chat"
        note={
          <span className="hint">
            as <Name>{user}</Name>
          </span>
        }
      >
        <button type="button" onClick={onLeave}>
          Leave the chat
        </button>
      </ViewHead>
      <div className={`strip strip-${tone}`} role="status" aria-label="Connection">
        <span className="dot" aria-hidden />
        <span className="strip-words">
          {words} <span aria-hidden>{detail}</span>
        </span>
        {chat.connection.state === 'ended' && (
          <>
            {chat.connection.code === 4500 && readSession() && (
              <a href="#/rooms">Watch the rooms</a>
            )}
            <button type="button" className="small" onClick={() => onAgain(names)}>
              Connect again
            </button>
          </>
        )}
      </div>
      <div className="chat-grid">
        <ChatRooms
          client={client}
          rooms={rooms}
          current={room?.name ?? null}
          onOpen={setChosen}
        />
        {room ? (
          <>
            <ChatTalk client={client} room={room} me={user} />
            <section className="panel members chat-people" aria-label="Members">
              <h2>
                Members{' '}
                <span className="hint number">{printCount(room.memberCount)}</span>
              </h2>
              <ChatPeople room={room} client={client} />
            </section>
          </>
        ) : (
          <section className="panel talk">
            <Empty title="You are in no room">Join one to talk.</Empty>
          </section>
        )}
      </div>
    </>
  );
}

export function Chat() {
  const { addresses, error } = useAddresses();
  const [wish, setWish] = useState<Wish | null>(readChat);
  const client = useClient(addresses, wish);

  if (client)
    return (
      <Inside
        client={client}
        onAgain={(rooms) => setWish((was) => was && { ...was, rooms })}
        onLeave={() => {
          writeChat(null);
          setWish(null);
        }}
      />
    );
  return (
    <>
      <ViewHead title="Chat" />
      {addresses && !wish && <Enter addresses={addresses} onEnter={setWish} />}
      {!addresses &&
        (error ? (
          <Failed error={error instanceof ApiError ? error : errorText(error)} />
        ) : (
          <Loading />
        ))}
    </>
  );
}
