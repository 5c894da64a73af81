// Chat clients of a test: what they see, in a form that can be compared.

import { ChatClient, type ChatOptions, type RoomSnapshot } from '../../src/client';
import { waitFor } from './wait';

const open = new Set<ChatClient>();

export function openChat(options: ChatOptions): ChatClient {
  const client = new ChatClient({ pauses: { leastMs: 20, mostMs: 200 }, ...options });

  open.add(client);
  return client;
}

/** For afterEach. */
export function closeChats(): void {
  for (const client of open) client.close();
  open.clear();
}

export function roomOf(client: ChatClient, name: string): RoomSnapshot {
  const room = client.snapshot().rooms.find((each) => each.name === name);

  if (!room) throw new Error(`not in ${name}`);
  return room;
}

/** The conversation, a word a line: texts, `deleted`, `gap 3-5`, `reset`. */
export function linesOf(client: ChatClient, name: string): string[] {
  return roomOf(client, name).items.map((item) => {
    if (item.kind === 'gap') return `gap ${item.from}-${item.to}`;
    if (item.kind === 'reset') return 'reset';
    return item.deleted ? 'deleted' : item.text;
  });
}

export function isSettled(client: ChatClient, name: string): boolean {
  const room = roomOf(client, name);
  return room.phase === 'live' && room.unsent.length === 0;
}

export async function waitLive(client: ChatClient, name: string): Promise<void> {
  await waitFor(`live in ${name}`, () => roomOf(client, name).phase === 'live');
}

/** Until the conversation is this, and nothing waits to be said. */
export async function waitLines(
  client: ChatClient,
  name: string,
  lines: string[],
): Promise<void> {
  try {
    await waitFor(
      'the conversation is as expected',
      () =>
        isSettled(client, name) &&
        JSON.stringify(linesOf(client, name)) === JSON.stringify(lines),
    );
  } catch (error) {
    const seen = JSON.stringify(linesOf(client, name));
    throw new Error(`${error}: it is ${seen}, expected ${JSON.stringify(lines)}`);
  }
}
