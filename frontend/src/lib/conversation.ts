// A room's conversation as an operator reads it: pages of the history and live events, in any
// order, each message once. Numbers are of one epoch; a reset empties it.

import type { Message } from './api';

export interface Conversation {
  messages: readonly Message[];
  /** Older ones exist. */
  more: boolean;
}

export const NOTHING: Conversation = { messages: [], more: false };
const MESSAGES_MAX = 2000;

function merge(into: readonly Message[], from: readonly Message[]): Message[] {
  const all = new Map(into.map((message) => [message.seq, message]));

  for (const message of from)
    if (!all.get(message.seq)?.deleted) all.set(message.seq, message);
  return [...all.values()].sort((a, b) => a.seq - b.seq);
}

/** The newest page, after which anything may have come or been missed: what does not touch it
 *  is thrown away. */
export function withNewest(
  { messages, more }: Conversation,
  page: { messages: Message[]; more: boolean },
): Conversation {
  const first = page.messages[0]?.seq;
  const touches = first !== undefined && messages.some(({ seq }) => seq >= first - 1);

  if (!touches) return page;
  const had = messages.some(({ seq }) => seq < first);
  return { messages: merge(messages, page.messages), more: had ? more : page.more };
}

export function withOlder(
  { messages }: Conversation,
  page: { messages: Message[]; more: boolean },
): Conversation {
  return { messages: merge(page.messages, messages), more: page.more };
}

export function withMessage(
  conversation: Conversation,
  message: Message,
): Conversation {
  const messages = merge(conversation.messages, [message]);
  const over = messages.length - MESSAGES_MAX;

  return over > 0
    ? { messages: messages.slice(over), more: true }
    : { ...conversation, messages };
}

export function withoutText(conversation: Conversation, seq: number): Conversation {
  const messages = conversation.messages.map((message): Message => {
    if (message.seq !== seq) return message;
    const { type, room, ts } = message;
    return { type, room, seq, ts, deleted: true };
  });
  return { ...conversation, messages };
}
