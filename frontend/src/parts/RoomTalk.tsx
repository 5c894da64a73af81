// The live conversation of a room as an operator sees it: reads back, deletes, posts.

import { SendHorizontal, Trash2 } from 'lucide-react';
import { memo, type SubmitEvent, useEffect, useState } from 'react';
import { makeKey } from '../client/wire';
import { ApiError, type Message } from '../lib/api';
import {
  type Conversation,
  NOTHING,
  withMessage,
  withNewest,
  withOlder,
  withoutText,
} from '../lib/conversation';
import { Empty, Freshness, Loaded, Name, Time } from './basics';
import { useAction, useConsole, useMay, useResource, useStreamEvents } from './hooks';
import { Messages } from './Messages';

const Line = memo(function Line({
  message,
  onDelete,
}: {
  message: Message;
  /** null: they may not. */
  onDelete: ((seq: number) => void) | null;
}) {
  const { seq, ts, user = '', text = '', deleted } = message;
  return (
    <li className={deleted ? 'message deleted' : 'message'}>
      <div className="message-head">
        {deleted ? <span className="hint">deleted</span> : <Name>{user}</Name>}
        <span className="hint number">#{seq}</span>
        <Time ms={ts} />
        {!deleted && onDelete && (
          <button
            type="button"
            className="icon danger"
            aria-label={`Delete message ${seq} of ${user}`}
            title="Delete this message"
            onClick={() => onDelete(seq)}
          >
            <Trash2 aria-hidden />
          </button>
        )}
      </div>
      {!deleted && (
        <p className="text" dir="auto">
          {text}
        </p>
      )}
    </li>
  );
});

/** The conversation and the ways it changes; another epoch begins another one. */
function useConversation(room: string, epoch: string) {
  const { api } = useConsole();
  const [talk, setTalk] = useState<Conversation>(NOTHING);
  const page = useResource(`messages ${epoch} ${room}`, () => api.messages(room, null));

  // biome-ignore lint/correctness/useExhaustiveDependencies: what was said belongs to an epoch
  useEffect(() => setTalk(NOTHING), [epoch]);
  const { data } = page;
  useEffect(() => {
    if (data) setTalk((now) => withNewest(now, data));
  }, [data]);
  useStreamEvents((event) => {
    const message = event.data as Message;
    if (event.type === 'message') setTalk((now) => withMessage(now, message));
    else if (event.type === 'message_deleted')
      setTalk((now) => withoutText(now, message.seq));
    else if (event.type === 'gap') page.reload();
  });
  return { talk, setTalk, page };
}

export function RoomTalk({
  room,
  epoch,
  onPosted,
}: {
  room: string;
  epoch: string;
  onPosted: () => void;
}) {
  const { api, tell } = useConsole();
  const mayModerate = useMay('moderator');
  const { talk, setTalk, page } = useConversation(room, epoch);
  const [busy, run] = useAction();
  const { messages, more } = talk;

  const loadOlder = () =>
    run(async () => {
      const older = await api.messages(room, messages[0]?.seq ?? null);
      setTalk((now) => withOlder(now, older));
    });
  const [remove] = useState(() => (seq: number) => {
    void run(async () => {
      await api.deleteMessage(room, seq);
      tell(`Message ${seq} is deleted`);
    });
  });
  return (
    <section className="panel talk" aria-label="Conversation">
      <h2>
        Conversation <Freshness resource={page} />
      </h2>
      <Messages room={room} newest={messages.at(-1)?.seq ?? 0}>
        <Loaded resource={page}>
          {() => (
            <>
              {more && (
                <div className="pager">
                  <button type="button" onClick={loadOlder} disabled={busy}>
                    Older
                  </button>
                </div>
              )}
              {messages.length === 0 && <Empty title="Nothing was said yet" />}
              <ol>
                {messages.map((message) => (
                  <Line
                    key={message.seq}
                    message={message}
                    onDelete={mayModerate ? remove : null}
                  />
                ))}
              </ol>
            </>
          )}
        </Loaded>
      </Messages>
      {mayModerate && <PostBox room={room} onPosted={onPosted} />}
    </section>
  );
}

/** A post whose answer did not come is tried again with its key: it is there once. */
function PostBox({ room, onPosted }: { room: string; onPosted: () => void }) {
  const { api } = useConsole();
  const [text, setText] = useState('');
  const [key, setKey] = useState(makeKey);
  const [busy, run] = useAction();

  const onSubmit = async (event: SubmitEvent) => {
    event.preventDefault();
    const isPosted = await run(async () => {
      try {
        await api.post(room, text, key);
      } catch (error) {
        if (error instanceof ApiError && error.code === 'room_not_found')
          throw new Error('There is no such room any more: nothing was posted');
        throw error;
      }
    });
    if (!isPosted) return;
    setText('');
    setKey(makeKey());
    onPosted();
  };
  return (
    <form className="composer" onSubmit={onSubmit}>
      <input
        aria-label="Post as the server"
        placeholder="Post as the server"
        value={text}
        required
        onChange={(event) => {
          setText(event.target.value);
          setKey(makeKey());
        }}
      />
      <button type="submit" className="primary" disabled={busy}>
        <SendHorizontal aria-hidden />
        <span className="wide-only">Post</span>
      </button>
    </form>
  );
}
