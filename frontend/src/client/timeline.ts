// What a room's conversation looks like to somebody who was there: messages in their order,
// and a line where something is missing or the room was recreated.
//
// The position (epoch, seq) is that of the last message taken; it is what the next join
// names as `since`. Where that join is not recovered, the whole history comes:
//   * of the same epoch: what we have is left out, and what lies between is a gap
//   * of another one: what we had is thrown away
// No socket and no clock here, so that every interleaving can be tested.

import type { JoinAck, Position, WireMessage } from './wire';

/** `id` is unique in the room, and stays the same. */
export type Item =
  | {
      kind: 'message';
      id: string;
      seq: number;
      user: string;
      text: string;
      ts: number;
      data: unknown;
      deleted: boolean;
    }
  | { kind: 'gap'; id: string; from: number; to: number }
  | { kind: 'reset'; id: string };

/** The oldest go when there are more: a page that is open for days must not grow. */
export const ITEMS_MAX = 2000;

export class Timeline {
  private items: Item[] = [];
  private shown: readonly Item[] | null = null;
  private epoch = '';
  private seq = 0;
  private ackSeq = 0;
  private resets = 0;

  /** null: nothing was taken yet. */
  position(): Position | null {
    return this.epoch ? { epoch: this.epoch, seq: this.seq } : null;
  }

  /** The same array until something changes. */
  snapshot(): readonly Item[] {
    this.shown ??= this.items.slice();
    return this.shown;
  }

  /** A join was answered; its batches follow. */
  begin(ack: JoinAck): void {
    if (!ack.recovered && ack.epoch !== this.epoch) {
      const had = this.items.length > 0;
      this.items = [];
      this.seq = 0;
      this.epoch = ack.epoch;
      if (had) this.addReset();
      this.shown = null;
    }
    this.ackSeq = ack.seq;
  }

  /** The last batch of a join was read. Where the history is shorter than the sequence, the
   *  rest will not come. */
  finish(): void {
    if (this.ackSeq > this.seq) {
      if (this.hasMessages()) this.addGap(this.seq + 1, this.ackSeq);
      this.seq = this.ackSeq;
    }
  }

  /** False: it was here already. */
  take(message: WireMessage): boolean {
    if (message.seq <= this.seq) {
      if (message.deleted) this.remove(message.seq);
      return false;
    }
    if (message.seq > this.seq + 1 && this.hasMessages())
      this.addGap(this.seq + 1, message.seq - 1);
    this.seq = message.seq;
    this.add({
      kind: 'message',
      id: `${this.epoch}-${message.seq}`,
      seq: message.seq,
      user: message.user ?? '',
      text: message.text ?? '',
      ts: message.ts,
      data: message.data,
      deleted: message.deleted === true,
    });
    return true;
  }

  gap(from: number, to: number): void {
    if (to <= this.seq) return;
    this.addGap(Math.max(from, this.seq + 1), to);
    this.seq = to;
  }

  reset(epoch: string, seq: number): void {
    this.epoch = epoch;
    this.seq = seq;
    this.addReset();
  }

  /** A moderator deleted it. */
  remove(seq: number): void {
    const id = `${this.epoch}-${seq}`;
    const at = this.items.findLastIndex((item) => item.id === id);
    const item = this.items[at];

    if (item?.kind !== 'message' || item.deleted) return;
    this.items[at] = { ...item, text: '', user: '', data: undefined, deleted: true };
    this.shown = null;
  }

  /** Its author gave it another text. */
  edit(seq: number, text: string, data: unknown): void {
    const id = `${this.epoch}-${seq}`;
    const at = this.items.findLastIndex((item) => item.id === id);
    const item = this.items[at];

    if (item?.kind !== 'message' || item.deleted) return;
    this.items[at] = { ...item, text, data };
    this.shown = null;
  }

  private hasMessages(): boolean {
    return this.items.length > 0;
  }

  private addGap(from: number, to: number): void {
    this.add({ kind: 'gap', id: `${this.epoch}-gap-${from}`, from, to });
  }

  private addReset(): void {
    this.resets++;
    this.add({ kind: 'reset', id: `reset-${this.resets}` });
  }

  private add(item: Item): void {
    this.items.push(item);
    if (this.items.length > ITEMS_MAX)
      this.items.splice(0, this.items.length - ITEMS_MAX);
    this.shown = null;
  }
}
