// What the chat says in words: how the connection is, why a room ended, why a message failed.

import type { ChatSnapshot, RoomEnd, Unsent } from '../client';
import { printDuration } from '../lib/format';

export interface ConnectionWords {
  tone: 'good' | 'warn' | 'bad';
  words: string;
  /** What changes by the second, and is not to be read out each time. */
  detail: string;
}

const hostOf = (address: string) =>
  address.replace(/^wss?:\/\//, '').replace(/\/ws$/, '');

function whyEnded(code: number | null): string {
  if (code === 4503) return 'An operator has disconnected you.';
  if (code === 4500) return 'Your sign-in is not accepted here.';
  if (code === 4501) return 'Your sign-in is over: sign in again.';
  if (code === 4502)
    return 'You have signed in elsewhere: this connection was one too many.';
  if (code === 1009) return 'A message was too long for the gateway.';
  return `The gateway does not want this connection (${code}).`;
}

export function connectionWords(
  { connection, redis }: ChatSnapshot,
  now: number,
): ConnectionWords {
  const { state, address, attempts, retryAt, code } = connection;
  const host = hostOf(address);

  if (state === 'ended') return { tone: 'bad', words: whyEnded(code), detail: '' };
  if (state === 'open' && redis === 'up')
    return { tone: 'good', words: `Connected to ${host}`, detail: '' };
  if (state === 'open')
    return {
      tone: 'warn',
      words: 'Redis is away: what you write is sent when it is back',
      detail: '',
    };
  if (attempts === 0)
    return { tone: 'warn', words: `Connecting to ${host}…`, detail: '' };
  const wait = retryAt === null ? 0 : Math.max(0, retryAt - now);
  return {
    tone: 'warn',
    words: 'Reconnecting… What you write is sent then',
    detail: `(attempt ${attempts}${wait >= 1000 ? ` in ${printDuration(wait)}` : ''})`,
  };
}

export function endWords({ why, reason, until }: RoomEnd, now: number): string {
  const because = reason ? `: ${reason}` : '';
  switch (why) {
    case 'kicked':
      return `You were put out of this room${because}`;
    case 'room_closed':
      return `This room was closed${because}`;
    case 'banned':
      return until === null
        ? 'You are banned from this room for good'
        : `You are banned from this room for another ${printDuration(until - now + 999)}`;
    case 'too_many_rooms':
      return 'You are in too many rooms: leave one first';
    case 'room_full':
      return 'This room is full';
    case 'room_not_found':
      return 'There is no such room, and you may not make it';
    default:
      return `You cannot be in this room${because}`;
  }
}

const FAILURES: Record<string, string> = {
  muted: 'you are muted here',
  banned: 'you are banned here',
  slow_mode: 'it is too soon after your last message here',
  too_large: 'it is too long',
  bad_request: 'there are characters in it that cannot be sent',
  not_joined: 'you are not in this room any more',
};

export function unsentWords({ state, error }: Unsent): string {
  switch (state) {
    case 'waiting':
      return 'waits to be sent';
    case 'sent':
      return 'sending…';
    case 'acked':
      return 'sent';
    case 'failed':
      return `not sent: ${FAILURES[error ?? ''] ?? error}`;
  }
}

export function typingWords(users: readonly string[]): string {
  if (users.length === 0) return '';
  if (users.length === 1) return `${users[0]} is writing…`;
  if (users.length < 4) return `${users.join(', ')} are writing…`;
  return `${users.length} people are writing…`;
}
