// One room of the chat: what was said, what waits to be said, who writes, and the box to
// write in.

import { SendHorizontal } from 'lucide-react';
import { type KeyboardEvent, memo, type SubmitEvent, useState } from 'react';
import type { ChatClient, Item, RoomSnapshot, Unsent } from '../client';
import { printCount } from '../lib/format';
import { Dialog, Empty, Loading, Name, Time } from './basics';
import { ChatPeople } from './ChatPeople';
import { endWords, typingWords, unsentWords } from './chat_words';
import { Messages } from './Messages';

const Line = memo(function Line({ item, me }: { item: Item; me: string }) {
  if (item.kind === 'gap')
    return (
      <li className="break">
        {item.from === item.to
          ? `Message ${item.from} is missing`
          : `Messages ${item.from} to ${item.to} are missing`}
      </li>
    );
  if (item.kind === 'reset')
    return (
      <li className="break">
        The room was recreated: what was said before may be gone for the others
      </li>
    );
  if (item.deleted)
    return <li className="message deleted hint">A moderator deleted this message</li>;
  return (
    <li className={item.user === me ? 'message mine' : 'message'}>
      <div className="message-head">
        <Name>{item.user}</Name>
        <Time ms={item.ts} />
      </div>
      <p className="text" dir="auto">
        {item.text}
      </p>
    </li>
  );
});

function Pending({
  entry,
  me,
  onAgain,
  onDiscard,
}: {
  entry: Unsent;
  me: string;
  onAgain: () => void;
  onDiscard: () => void;
}) {
  const failed = entry.state === 'failed';
  return (
    <li className={failed ? 'message mine pending failed' : 'message mine pending'}>
      <div className="message-head">
        <Name>{me}</Name>
        <span className="hint">{unsentWords(entry)}</span>
        {failed && (
          <>
            <button type="button" className="small" onClick={onAgain}>
              Send again
            </button>
            <button type="button" className="small" onClick={onDiscard}>
              Discard
            </button>
          </>
        )}
      </div>
      <p className="text" dir="auto">
        {entry.text}
      </p>
    </li>
  );
}

function Composer({ client, room }: { client: ChatClient; room: RoomSnapshot }) {
  const [text, setText] = useState('');
  const [problem, setProblem] = useState('');
  const { name, phase } = room;

  const send = () => {
    if (text === '') return;
    if (!client.fits(name, text)) {
      setProblem('This is too long to be sent at once.');
      return;
    }
    client.say(name, text);
    setText('');
  };
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    send();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing)
      return;
    event.preventDefault();
    send();
  };
  return (
    <form className="composer" onSubmit={onSubmit}>
      <textarea
        aria-label={`Message to ${name}`}
        aria-describedby="composer-problem"
        placeholder="Write a message"
        rows={2}
        dir="auto"
        value={text}
        disabled={phase === 'ended'}
        onKeyDown={onKeyDown}
        onChange={(event) => {
          setText(event.target.value);
          setProblem('');
          client.setTyping(name, event.target.value !== '');
        }}
      />
      <button
        type="submit"
        className="primary"
        disabled={phase === 'ended' || text === ''}
      >
        <SendHorizontal aria-hidden />
        <span className="wide-only">Send</span>
      </button>
      <p id="composer-problem" className="problem" role="alert">
        {problem}
      </p>
    </form>
  );
}

function End({ client, room }: { client: ChatClient; room: RoomSnapshot }) {
  if (!room.end) return null;
  return (
    <div className="ended" role="alert">
      <p dir="auto">{endWords(room.end, Date.now())}</p>
      <button type="button" onClick={() => client.join(room.name)}>
        Join again
      </button>
    </div>
  );
}

export function ChatTalk({
  client,
  room,
  me,
}: {
  client: ChatClient;
  room: RoomSnapshot;
  me: string;
}) {
  const { name, phase, items, unsent, typing } = room;
  const [showsPeople, setShowsPeople] = useState(false);
  const isEmpty = items.length === 0 && unsent.length === 0;
  return (
    <section className="panel talk" aria-label={`Conversation in ${name}`}>
      <h2>
        <Name>{name}</Name>
        <span className="hint number wide-only">
          {printCount(room.memberCount)} in it
        </span>
        <button
          type="button"
          className="small narrow-only"
          onClick={() => setShowsPeople(true)}
        >
          {printCount(room.memberCount)} in it
        </button>
      </h2>
      <Messages room={name} newest={`${items.at(-1)?.id} ${unsent.length}`}>
        {isEmpty && phase === 'live' && <Empty title="Nothing was said yet" />}
        {isEmpty && (phase === 'joining' || phase === 'reading') && <Loading />}
        <ol>
          {items.map((item) => (
            <Line key={item.id} item={item} me={me} />
          ))}
          {unsent.map((entry) => (
            <Pending
              key={entry.key}
              entry={entry}
              me={me}
              onAgain={() => client.sayAgain(name, entry.key)}
              onDiscard={() => client.discard(name, entry.key)}
            />
          ))}
        </ol>
      </Messages>
      <End client={client} room={room} />
      <p className="typing hint" role="status" dir="auto">
        {typingWords(typing)}
      </p>
      <Composer key={name} client={client} room={room} />
      {showsPeople && (
        <Dialog title="Members" onClose={() => setShowsPeople(false)}>
          <ChatPeople room={room} client={client} />
        </Dialog>
      )}
    </section>
  );
}
