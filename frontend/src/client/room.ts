// One room as one user sees it, and what has to be asked for to keep that true.
//
//     out -> joining -> reading -> live        ended: kicked, closed, banned, left
//      ^        |          |         |
//      +--------+----------+---------+  connection lost; Redis away: again after a while
//
// A room sends through its port and never learns which connection that is. Members are
// asked for when it gets live, and again after reset, gap and a Redis that came back. What a
// moderator deleted while we were away is not said by a resume, so the history is looked at.

import { Members } from './members';
import { Outgoing, type Unsent } from './outgoing';
import { type Item, Timeline } from './timeline';
import { Typing } from './typing';
import {
  canRetry,
  type HistoryBatch,
  type JoinAck,
  type MemberList,
  makeKey,
  type Position,
  type Refusal,
  type Request,
  type WireEvent,
  type WireMessage,
} from './wire';

const RETRY_MS = 1000; // where the server does not say when
const MEMBERS_PAGE = 1000;
const HISTORY_PAGE = 100;

export type RoomPhase = 'out' | 'joining' | 'reading' | 'live' | 'ended';

export interface RoomEnd {
  /** kicked, room_closed, or the code of a refusal: banned, room_full, … */
  why: string;
  /** What the operator wrote, or the server's words. */
  reason: string;
  /** When another join may succeed, in ms since 1970; null: at once, or not known. */
  until: number | null;
}

export interface RoomSnapshot {
  name: string;
  phase: RoomPhase;
  end: RoomEnd | null;
  items: readonly Item[];
  unsent: readonly Unsent[];
  members: readonly string[];
  memberCount: number;
  membersPartial: boolean;
  typing: readonly string[];
  /** Messages of others since it was looked at last. */
  unread: number;
}

export interface RoomPort {
  send(request: Request): boolean;
  /** The connection was of use. */
  commend(): void;
  onChange(): void;
}

export class Room {
  phase: RoomPhase = 'out';
  private end: RoomEnd | null = null;
  private unread = 0;
  private watched = false;
  private isHistoryKnown = false; // ours is complete; what comes now is new
  private joinId = '';
  private membersId = '';
  private lookId = '';
  private retry: ReturnType<typeof setTimeout> | undefined;
  private prune: ReturnType<typeof setTimeout> | undefined;
  private readonly timeline = new Timeline();
  private readonly outgoing = new Outgoing();
  private readonly members = new Members();
  private readonly typing = new Typing();
  private shown: RoomSnapshot | null = null;

  constructor(
    readonly name: string,
    private readonly user: string,
    private readonly port: RoomPort,
  ) {}

  /** The same object until something changes. */
  snapshot(): RoomSnapshot {
    this.shown ??= {
      name: this.name,
      phase: this.phase,
      end: this.end,
      items: this.timeline.snapshot(),
      unsent: this.outgoing.snapshot(),
      members: this.members.snapshot(),
      memberCount: this.members.count,
      membersPartial: this.members.partial,
      typing: this.typing.snapshot(),
      unread: this.unread,
    };
    return this.shown;
  }

  /** Where the next join goes on. */
  position(): Position | null {
    return this.timeline.position();
  }

  private changed(): void {
    this.shown = null;
    this.port.onChange();
  }

  // ---- what the user does ----

  join(): void {
    const since = this.timeline.position();
    const request: Request = { type: 'join', room: this.name, user: this.user };

    this.joinId = `join-${makeKey()}`;
    this.end = null;
    clearTimeout(this.retry);
    if (since) request.since = since;
    this.phase = this.port.send({ ...request, id: this.joinId }) ? 'joining' : 'out';
    this.changed();
  }

  leave(): void {
    if (this.phase !== 'ended') this.port.send({ type: 'leave', room: this.name });
    this.stop({ why: 'left', reason: '', until: null });
  }

  say(text: string, data?: unknown): Unsent {
    const said = this.outgoing.say(text, data);

    this.typing.shouldSay(false, Date.now());
    if (this.phase === 'ended') this.outgoing.onRefused(said.key, 'not_joined');
    this.sendDue();
    this.changed();
    return said;
  }

  /** Says again what was refused; discards it. */
  again(key: string): void {
    this.outgoing.again(key);
    this.sendDue();
    this.changed();
  }

  discard(key: string): void {
    this.outgoing.discard(key);
    this.changed();
  }

  setTyping(on: boolean): void {
    if (this.phase !== 'live' || !this.typing.shouldSay(on, Date.now())) return;
    this.port.send({ type: 'signal', room: this.name, kind: 'typing', data: { on } });
  }

  /** What is looked at has nothing unread. */
  watch(on: boolean): void {
    this.watched = on;
    if (!on || this.unread === 0) return;
    this.unread = 0;
    this.changed();
  }

  // ---- the connection ----

  onOpen(): void {
    if (this.phase !== 'ended') this.join();
  }

  onLost(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
    this.outgoing.onLost();
    this.typing.clear();
    if (this.phase !== 'ended') this.phase = 'out';
    this.changed();
  }

  /** Redis is back: what it did not take is sent at once. */
  onRedisUp(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
    if (this.phase === 'out') this.join();
    this.sendDue();
    this.askMembers();
  }

  stop(end: RoomEnd): void {
    clearTimeout(this.retry);
    clearTimeout(this.prune);
    this.retry = undefined;
    this.phase = 'ended';
    this.end = end;
    this.members.clear();
    this.typing.clear();
    this.outgoing.failAll('not_joined');
    this.changed();
  }

  // ---- what comes ----

  /** An event of this room. */
  take(event: WireEvent): void {
    if (this.phase === 'ended' && event.type !== 'message_ack') return;
    switch (event.type) {
      case 'join_ack':
        this.onJoinAck(event);
        break;
      case 'history_batch':
        if (event.id) this.onLook(event);
        else this.onBatch(event);
        break;
      case 'message':
        this.onMessage(event);
        break;
      case 'message_ack':
        this.onAck(event.id ?? '', { epoch: event.epoch, seq: event.seq });
        break;
      case 'message_deleted':
        this.timeline.remove(event.seq);
        break;
      case 'message_edited':
        this.timeline.edit(event.seq, event.text, event.data);
        break;
      case 'member_list':
        this.onMembers(event);
        break;
      case 'member_joined':
        this.members.join(event.user, event.members);
        break;
      case 'member_left':
        this.members.leave(event.user, event.members);
        this.hearTyping(event.user, false);
        break;
      case 'signal':
        this.onSignal(event.user, event.kind, event.data);
        break;
      case 'gap':
        this.timeline.gap(event.from, event.to);
        this.askMembers();
        break;
      case 'reset':
        this.timeline.reset(event.epoch, event.seq);
        this.outgoing.onNewEpoch(event.epoch);
        this.members.count = event.members;
        this.askMembers();
        break;
      case 'kicked':
      case 'room_closed':
        this.stop({ why: event.type, reason: event.reason ?? '', until: null });
        break;
    }
    this.changed();
  }

  /** Whether this refusal was of a request of this room; then it has been dealt with. */
  takeRefusal(refusal: Refusal): boolean {
    const id = refusal.id ?? '';

    if (id === this.joinId) this.onJoinRefused(refusal);
    else if (this.outgoing.has(id)) this.onSayRefused(id, refusal);
    else if (id === this.membersId) this.retryLater(refusal.retry_after_ms);
    else return id !== '' && id === this.lookId;
    this.changed();
    return true;
  }

  private onJoinAck(ack: JoinAck): void {
    const before = this.timeline.position();

    this.phase = 'reading';
    this.isHistoryKnown = before !== null;
    this.timeline.begin(ack);
    if (before && before.epoch !== ack.epoch) this.outgoing.onNewEpoch(ack.epoch);
    this.members.count = ack.members;
    this.port.commend();
    this.sendDue();
    this.changed();
  }

  private onBatch(batch: HistoryBatch): void {
    if (this.phase !== 'reading') return;
    for (const message of batch.messages) this.onMessage(message);
    if (!batch.more) this.onLive();
    this.changed();
  }

  private onLive(): void {
    const wasAway = this.isHistoryKnown;

    this.phase = 'live';
    this.timeline.finish();
    this.isHistoryKnown = true;
    this.askMembers();
    if (!wasAway || this.timeline.snapshot().length === 0) return;
    this.lookId = `look-${makeKey()}`;
    this.port.send({
      type: 'get_history',
      id: this.lookId,
      room: this.name,
      limit: HISTORY_PAGE,
    });
  }

  /** What was deleted while we were away. */
  private onLook(batch: HistoryBatch): void {
    if (batch.id !== this.lookId || batch.epoch !== this.position()?.epoch) return;
    for (const message of batch.messages)
      if (message.deleted) this.timeline.remove(message.seq);
    this.changed();
  }

  private onMessage(message: WireMessage): void {
    if (!this.timeline.take(message)) return;
    const position = this.timeline.position();
    if (message.user === this.user && position)
      this.outgoing.onMessage(message.text ?? '', position);
    else if (this.isHistoryKnown && !this.watched && !message.deleted) this.unread++;
    if (message.user) this.hearTyping(message.user, false);
  }

  private onAck(id: string, at: Position): void {
    this.outgoing.onAck(id, at, this.timeline.position());
  }

  private onSignal(user: string, kind: string, data: unknown): void {
    if (kind !== 'typing') return;
    const on = (data as { on?: unknown } | null)?.on;
    this.hearTyping(user, on !== false);
    this.changed();
  }

  private hearTyping(user: string, on: boolean): void {
    this.typing.hear(user, on, Date.now());
    this.pruneTyping();
  }

  private pruneTyping(): void {
    const next = this.typing.prune(Date.now());

    clearTimeout(this.prune);
    if (next === null) return;
    this.prune = setTimeout(
      () => {
        this.pruneTyping();
        this.changed();
      },
      Math.max(0, next - Date.now()),
    );
  }

  // ---- members ----

  askMembers(): void {
    if (this.phase !== 'live') return;
    this.members.begin();
    this.askPage(null);
  }

  private askPage(cursor: string | null): void {
    const request: Request = {
      type: 'get_members',
      room: this.name,
      limit: MEMBERS_PAGE,
    };

    this.membersId = `members-${makeKey()}`;
    if (cursor !== null) request.cursor = cursor;
    this.port.send({ ...request, id: this.membersId });
  }

  private onMembers(page: MemberList): void {
    if (page.id !== this.membersId) return;
    const next = this.members.takePage(page);
    if (next !== null) this.askPage(next);
    this.changed();
  }

  // ---- what is tried again ----

  private onJoinRefused({ code, message, retry_after_ms: after }: Refusal): void {
    if (!canRetry(code)) {
      this.stop({
        why: code,
        reason: message,
        until: after === undefined ? null : Date.now() + after,
      });
      return;
    }
    this.phase = 'out';
    this.retryLater(after);
  }

  private onSayRefused(key: string, { code, retry_after_ms: after }: Refusal): void {
    if (!canRetry(code)) {
      this.outgoing.onRefused(key, code);
      return;
    }
    this.outgoing.again(key);
    this.retryLater(after);
  }

  private retryLater(afterMs = RETRY_MS): void {
    if (this.retry !== undefined) return;
    this.retry = setTimeout(() => {
      this.retry = undefined;
      if (this.phase === 'out') this.join();
      this.sendDue();
      this.askMembers();
    }, afterMs);
  }

  /** In the order written: nothing overtakes what waits to be tried again. */
  private sendDue(): void {
    if (this.retry !== undefined) return;
    if (this.phase !== 'reading' && this.phase !== 'live') return;
    for (const { key, text, data } of this.outgoing.takeDue()) {
      const request: Request = { type: 'message', id: key, room: this.name, text, key };
      this.port.send(data === undefined ? request : { ...request, data });
    }
  }
}
