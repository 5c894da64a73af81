// Who one was in the chat, and where, for as long as the tab is open: a page that is loaded
// again goes on.

export interface ChatMemory {
  user: string;
  rooms: string[];
}

const KEY = 'roomcast.chat';

export function readChat(): ChatMemory | null {
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
    const { user, rooms } = (found ?? {}) as Partial<ChatMemory>;
    return user ? { user, rooms: Array.isArray(rooms) ? rooms : [] } : null;
  } catch {
    return null;
  }
}

export function writeChat(memory: ChatMemory | null): void {
  if (memory) sessionStorage.setItem(KEY, JSON.stringify(memory));
  else sessionStorage.removeItem(KEY);
}

const encoder = new TextEncoder();
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is not allowed
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029{}]/;

/** Why this cannot be the name of a room (128 bytes) or a user (64); null: it can. */
export function whyNoName(name: string, bytesMax: number): string | null {
  if (name === '') return 'A name is needed.';
  if (FORBIDDEN.test(name)) return 'Braces and control characters cannot be in a name.';
  if (encoder.encode(name).length > bytesMax) return 'This name is too long.';
  return null;
}
