// Server-sent events out of the bytes of a response. EventSource cannot send a header, so
// they are read with fetch; lines and characters may be cut anywhere.

export interface ServerEvent {
  type: string;
  data: unknown;
}

export class EventParser {
  private readonly decoder = new TextDecoder();
  private rest = '';

  /** The events that these bytes complete. */
  feed(bytes: Uint8Array): ServerEvent[] {
    this.rest += this.decoder.decode(bytes, { stream: true });
    const blocks = this.rest.split('\n\n');
    this.rest = blocks.pop() ?? '';
    return blocks.map(parseBlock).filter((event) => event !== null);
  }
}

function parseBlock(block: string): ServerEvent | null {
  let type = 'message';
  let data = '';

  for (const line of block.split('\n')) {
    if (line.startsWith('event: ')) type = line.slice(7);
    else if (line.startsWith('data: ')) data += line.slice(6);
  }
  if (!data) return null; // a comment
  try {
    return { type, data: JSON.parse(data) as unknown };
  } catch {
    return null;
  }
}
