// The wire protocol, version 1 (docs/protocol.md), as types, and the one place that reads it.
//
// What comes is not trusted to be complete: parseEvent gives null for what is no event, and
// code that takes an event ignores types and fields that it does not know.

/** Where somebody is in a room's sequence; handed back as `since`. */
export interface Position {
  epoch: string;
  seq: number;
}

/** A message as it stands in the history; a deleted one has no user and no text. */
export interface WireMessage {
  type: 'message';
  room: string;
  seq: number;
  user?: string;
  /** How the user is shown, where its token says so. */
  name?: string;
  text?: string;
  ts: number;
  data?: unknown;
  deleted?: true;
  /** When its author gave it this text (ms). */
  edited_at?: number;
}

export interface JoinAck {
  type: 'join_ack';
  room: string;
  user: string;
  epoch: string;
  seq: number;
  members: number;
  recovered: boolean;
  /** The rights held: r, rw or rwm. */
  can?: string;
  rev?: number;
}

export interface HistoryBatch {
  type: 'history_batch';
  /** Of a get_history; the batches behind a join have none. */
  id?: string;
  room: string;
  epoch: string;
  messages: WireMessage[];
  more: boolean;
}

export interface MemberList {
  type: 'member_list';
  id?: string;
  room: string;
  members: string[];
  count: number;
  next: string | null;
}

export interface Refusal {
  type: 'error';
  id?: string;
  code: string;
  message: string;
  /** Of `unauthorized`: what is wrong with the token. */
  reason?: string;
  retry_after_ms?: number;
}

export type WireEvent =
  | WireMessage
  | JoinAck
  | HistoryBatch
  | MemberList
  | Refusal
  | { type: 'leave_ack'; room: string }
  | { type: 'message_ack'; id?: string; room: string; seq: number; epoch: string }
  | { type: 'message_deleted'; room: string; seq: number; rev?: number }
  | {
      type: 'message_edited';
      room: string;
      seq: number;
      user: string;
      text: string;
      data?: unknown;
      edited_at: number;
      rev: number;
    }
  | { type: 'signal'; room: string; user: string; kind: string; data: unknown }
  | { type: 'member_joined'; room: string; user: string; members: number }
  | {
      type: 'member_left';
      room: string;
      user: string;
      members: number;
      reason: 'left' | 'closed' | 'kicked' | 'expired';
    }
  | { type: 'kicked' | 'room_closed'; room: string; reason?: string }
  | { type: 'gap'; room: string; epoch: string; from: number; to: number }
  | { type: 'reset'; room: string; epoch: string; seq: number; members: number }
  | { type: 'status'; redis: 'down' | 'up' }
  | { type: 'reconnect'; after_ms: number; reason?: string }
  | { type: 'auth_ack'; id?: string; user: string; name?: string; expires_at?: number }
  | { type: 'auth_expiring'; expires_at: number; room?: string }
  | { type: 'pong' };

export interface Request {
  type: string;
  id?: string;
  [field: string]: unknown;
}

/** One line of the server; null: not an event. */
export function parseEvent(line: unknown): WireEvent | null {
  if (typeof line !== 'string') return null;
  try {
    const event: unknown = JSON.parse(line);
    return typeof event === 'object' &&
      event !== null &&
      typeof (event as { type?: unknown }).type === 'string'
      ? (event as WireEvent)
      : null;
  } catch {
    return null;
  }
}

/** Whether the same request may succeed later. */
export function canRetry(code: string): boolean {
  return code === 'unavailable' || code === 'rate_limited';
}

/** Whether a connection that closed with this code is worth another one. 1002 to 1010 say
 *  that we did something wrong, but for 1005 and 1006, which are made up by the browser. */
export function mayReturn(code: number): boolean {
  if (code === 1005 || code === 1006) return true;
  return !((code >= 1002 && code <= 1010) || (code >= 4500 && code < 5000));
}

/** A name that no other request and no other client has. Not randomUUID, which pages that
 *  came over plain HTTP do not have. */
export function makeKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
