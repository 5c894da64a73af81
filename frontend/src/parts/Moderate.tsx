// One dialog for what is done to a user: kick, mute, ban, disconnect. A table says what each
// of them asks for and does.

import { type SubmitEvent, useState } from 'react';
import type { Api, Outcome } from '../lib/api';
import { Dialog, Name } from './basics';
import { useAction, useConsole } from './hooks';

export type Deed = 'kick' | 'mute' | 'ban' | 'disconnect';

interface Order {
  room: string;
  user: string;
  secs: number;
  reason: string;
}

interface DeedRow {
  title: string;
  says: string;
  done: string;
  asksDuration: boolean;
  asksReason: boolean;
  act: (api: Api, order: Order) => Promise<Outcome>;
}

const DEEDS: Record<Deed, DeedRow> = {
  kick: {
    title: 'Kick',
    says: 'Puts them out of this room. They may come back at once.',
    done: 'was kicked',
    asksDuration: false,
    asksReason: true,
    act: (api, { room, user, reason }) => api.kick(room, user, reason),
  },
  mute: {
    title: 'Mute',
    says: 'They stay in and read, but cannot speak here.',
    done: 'is muted',
    asksDuration: true,
    asksReason: false,
    act: (api, { room, user, secs }) => api.mute(room, user, secs),
  },
  ban: {
    title: 'Ban',
    says: 'Puts them out of this room and keeps them out.',
    done: 'is banned',
    asksDuration: true,
    asksReason: true,
    act: (api, { room, user, secs, reason }) => api.ban(room, user, secs, reason),
  },
  disconnect: {
    title: 'Disconnect',
    says: 'Ends their connections on every gateway, in all rooms, for now.',
    done: 'was disconnected',
    asksDuration: false,
    asksReason: false,
    act: (api, { user }) => api.disconnect(user),
  },
};

const DURATIONS = [
  { secs: 60, title: '1 minute' },
  { secs: 600, title: '10 minutes' },
  { secs: 3600, title: '1 hour' },
  { secs: 86_400, title: '1 day' },
  { secs: 604_800, title: '1 week' },
  { secs: 2_592_000, title: '30 days' },
  { secs: 0, title: 'For good' },
];

export function Moderate({
  deed,
  room,
  user: given,
  onClose,
  onDone,
}: {
  deed: Deed;
  room: string;
  /** null: the operator types the name. */
  user: string | null;
  onClose: () => void;
  onDone: () => void;
}) {
  const { api, tell } = useConsole();
  const [typed, setTyped] = useState('');
  const [secs, setSecs] = useState(600);
  const [reason, setReason] = useState('');
  const [busy, run] = useAction();
  const { title, says, done, asksDuration, asksReason, act } = DEEDS[deed];
  const user = given ?? typed;

  const onSubmit = async (event: SubmitEvent) => {
    event.preventDefault();
    const isDone = await run(async () => {
      const { pending } = await act(api, { room, user, secs, reason });
      const late = pending
        ? '; a gateway has not confirmed yet, and obeys when it is back'
        : '';
      tell(`${user} ${done}${late}`);
    });
    if (!isDone) return;
    onClose();
    onDone();
  };

  return (
    <Dialog title={`${title} a user`} onClose={onClose}>
      <form onSubmit={onSubmit}>
        {given === null ? (
          <label>
            User
            <input value={typed} required onChange={(e) => setTyped(e.target.value)} />
          </label>
        ) : (
          <p className="confirm">
            <Name>{given}</Name>
          </p>
        )}
        <p>{says}</p>
        {asksDuration && (
          <label>
            For how long
            <select value={secs} onChange={(e) => setSecs(Number(e.target.value))}>
              {DURATIONS.map((duration) => (
                <option key={duration.secs} value={duration.secs}>
                  {duration.title}
                </option>
              ))}
            </select>
          </label>
        )}
        {asksReason && (
          <label>
            <span>
              Reason, which they are told <span className="hint">(optional)</span>
            </span>
            <input
              value={reason}
              maxLength={80}
              onChange={(e) => setReason(e.target.value)}
            />
          </label>
        )}
        <div className="dialog-actions">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="primary danger" disabled={busy}>
            {title}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
