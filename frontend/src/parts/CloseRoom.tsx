// Asks before a room is closed: which one, and how many people are in it at this moment.

import { type SubmitEvent, useState } from 'react';
import { printPeople } from '../lib/format';
import { Dialog, explain, Name } from './basics';
import { useAction, useConsole, useResource } from './hooks';

const AGAIN_MS = 2000;

export function CloseRoom({
  room,
  onClose,
  onDone,
}: {
  room: string;
  onClose: () => void;
  onDone: () => void;
}) {
  const { api, tell } = useConsole();
  const [reason, setReason] = useState('');
  const [busy, run] = useAction();
  const detail = useResource(`closing ${room}`, () => api.room(room), AGAIN_MS);

  const onSubmit = async (event: SubmitEvent) => {
    event.preventDefault();
    const done = await run(async () => {
      const { members = 0, pending } = await api.close(room, reason);
      const late = pending ? '; a gateway has not confirmed yet' : '';
      tell(`${room} is closed; it had ${printPeople(members)} in it${late}`);
    });
    if (!done) return;
    onClose();
    onDone();
  };
  const { data, error } = detail;
  return (
    <Dialog title="Close the room?" onClose={onClose}>
      <form onSubmit={onSubmit}>
        <p className="confirm">
          <Name>{room}</Name>
          {data && (
            <>
              {' '}
              has <strong>{printPeople(data.members)}</strong> in it.
            </>
          )}
        </p>
        <p>
          They are put out, and its history is deleted. Bans and mutes stay. The next
          join recreates the room.
        </p>
        <label>
          <span>
            What they are told <span className="hint">(optional)</span>
          </span>
          <input
            value={reason}
            maxLength={80}
            onChange={(event) => setReason(event.target.value)}
          />
        </label>
        <p className="problem" role="alert">
          {error !== null && explain(error)}
        </p>
        <div className="dialog-actions">
          <button type="button" onClick={onClose}>
            Keep it
          </button>
          <button type="submit" className="primary danger" disabled={busy || !data}>
            Close for {data ? printPeople(data.members) : '…'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
