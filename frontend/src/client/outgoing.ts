// What was said in a room and does not stand in its conversation yet, in the order written.
//
//     waiting -> sent -> acked -> (the message itself comes) -> gone
//        ^        |  \-> failed: refused for good; said again or discarded by the user
//        +--------+ connection lost, or Redis did not take it: again, with the same key
//
// A message of the server carries no key. Which of ack and message comes first is not fixed:
// where the message does, the oldest one of ours with that text is hidden, so that nothing
// is shown twice; the ack then says whether that was right.

import { makeKey, type Position } from './wire';

export interface Unsent {
  key: string;
  text: string;
  data: unknown;
  state: 'waiting' | 'sent' | 'acked' | 'failed';
  /** The code of the refusal. */
  error: string | null;
  /** How often it was sent. */
  times: number;
}

interface Entry extends Unsent {
  at: Position | null; // of the ack
  cameAs: number; // the number of the message that seems to be this one; 0: none
}

export class Outgoing {
  private entries: Entry[] = [];
  private shown: readonly Unsent[] | null = null;

  /** What is to be shown behind the conversation; the same array until something changes. */
  snapshot(): readonly Unsent[] {
    this.shown ??= this.entries.filter((entry) => entry.cameAs === 0);
    return this.shown;
  }

  say(text: string, data?: unknown): Unsent {
    const entry: Entry = {
      key: makeKey(),
      text,
      data,
      state: 'waiting',
      error: null,
      times: 0,
      at: null,
      cameAs: 0,
    };
    this.entries.push(entry);
    this.shown = null;
    return entry;
  }

  /** What has to be sent now, in order; it counts as sent from here on. */
  takeDue(): Unsent[] {
    const due = this.entries.filter((entry) => entry.state === 'waiting');
    for (const entry of due)
      this.change(entry.key, { state: 'sent', times: entry.times + 1 });
    return due;
  }

  has(key: string): boolean {
    return this.entries.some((entry) => entry.key === key);
  }

  onAck(key: string, at: Position, now: Position | null): void {
    if (!now || at.epoch !== now.epoch || at.seq <= now.seq) this.discard(key);
    else this.change(key, { state: 'acked', at, cameAs: 0 });
  }

  /** A message of ours came. */
  onMessage(text: string, at: Position): void {
    const acked = this.entries.find(
      (entry) => entry.at?.epoch === at.epoch && entry.at.seq === at.seq,
    );
    const same = this.entries.find(
      (entry) =>
        (entry.state === 'sent' || entry.state === 'waiting') &&
        entry.times > 0 &&
        entry.cameAs === 0 &&
        entry.text === text,
    );
    if (acked) this.discard(acked.key);
    else if (same) this.change(same.key, { cameAs: at.seq });
  }

  onRefused(key: string, error: string): void {
    this.change(key, { state: 'failed', error, cameAs: 0 });
  }

  /** It was not taken, or nobody knows: it has to be sent again. */
  again(key: string): void {
    this.change(key, { state: 'waiting', error: null });
  }

  onLost(): void {
    for (const entry of this.entries) if (entry.state === 'sent') this.again(entry.key);
  }

  /** A new epoch: what was acked under the old one does not come any more. */
  onNewEpoch(epoch: string): void {
    for (const entry of this.entries) {
      if (entry.at && entry.at.epoch !== epoch) this.discard(entry.key);
      else if (entry.cameAs) this.change(entry.key, { cameAs: 0 });
    }
  }

  failAll(error: string): void {
    for (const entry of this.entries)
      if (entry.state === 'waiting' || entry.state === 'sent')
        this.onRefused(entry.key, error);
  }

  discard(key: string): void {
    this.entries = this.entries.filter((entry) => entry.key !== key);
    this.shown = null;
  }

  /** Entries that were given out stay as they are. */
  private change(key: string, change: Partial<Entry>): void {
    this.entries = this.entries.map((entry) =>
      entry.key === key ? { ...entry, ...change } : entry,
    );
    this.shown = null;
  }
}
