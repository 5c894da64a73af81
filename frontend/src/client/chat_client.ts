// A client that stays in its rooms, whatever happens to its connection.
//
//     const ann = new ChatClient({ addresses: ['ws://127.0.0.1:9001/ws'], user: 'ann' });
//     ann.subscribe(() => draw(ann.snapshot()));
//     ann.join('lobby');
//     ann.say('lobby', 'hi');
//     ann.close();
//
// It comes back by itself: to the next address, after a pause of full jitter, or at the time
// that a gateway's `reconnect` tells. It joins again with `since`, so the conversation goes
// on where it was cut, and says again with its key what was not acked, so that nothing is
// said twice. What cannot be had any more stands in the conversation as a gap or a reset.
//
// connection.ts is the socket, room.ts a room; this file gives each event to whom it is for.
// Listeners are called once for all that came in one turn, never from inside a call.

import { Auth, type TokenSource } from './auth';
import {
  Connection,
  type ConnectionOptions,
  type ConnectionStatus,
} from './connection';
import type { Unsent } from './outgoing';
import { Room, type RoomSnapshot } from './room';
import type { WireEvent } from './wire';

export interface ChatOptions extends ConnectionOptions {
  user: string;
  /** Where the fleet asks for tokens; of `user`. */
  token?: TokenSource;
  /** What a gateway takes at most (ROOMCAST_MAX_MESSAGE_BYTES); more would close the
   *  connection, so it is refused here, as too_large. */
  messageBytesMax?: number;
  /** Everything that comes, as it came. */
  onEvent?: (event: WireEvent) => void;
}

export interface ChatSnapshot {
  user: string;
  connection: ConnectionStatus;
  /** Whether the gateway says that Redis answers it. */
  redis: 'up' | 'down';
  /** In the order joined. */
  rooms: readonly RoomSnapshot[];
}

const MESSAGE_BYTES_MAX = 65_536;
const ENVELOPE_BYTES = 128; // type, id and key, and then some

export class ChatClient {
  private readonly rooms = new Map<string, Room>();
  private readonly connection: Connection;
  private readonly auth: Auth;
  private readonly listeners = new Set<() => void>();
  private redis: 'up' | 'down' = 'up';
  private shown: ChatSnapshot | null = null;
  private isTelling = false;

  constructor(private readonly options: ChatOptions) {
    this.auth = new Auth(options.token, {
      send: (request) => this.connection.send(request),
      onReady: () => this.onReady(),
      onFailure: (why) => this.connection.restart(why),
    });
    this.connection = new Connection(options, {
      mayReturn: (code) => this.auth.mayReturn(code),
      onOpen: () => this.auth.onOpen(),
      onEvent: (event) => this.onEvent(event),
      onLost: () => this.onLost(),
      onStatus: () => this.changed(),
    });
  }

  /** Returns what ends it. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** The same object until something changes. */
  snapshot(): ChatSnapshot {
    this.shown ??= {
      user: this.options.user,
      connection: this.connection.status,
      redis: this.redis,
      rooms: [...this.rooms.values()].map((room) => room.snapshot()),
    };
    return this.shown;
  }

  /** Joins, and is in from then on until left, kicked or refused; then it joins again. */
  join(name: string): void {
    let room = this.rooms.get(name);

    if (!room) {
      room = new Room(name, this.options.user, {
        send: (request) => this.auth.isReady && this.connection.send(request),
        commend: () => this.commend(),
        onChange: () => this.changed(),
      });
      this.rooms.set(name, room);
    } else if (room.phase !== 'ended') {
      return;
    }
    room.join();
  }

  /** Leaves it and forgets all of it. */
  leave(name: string): void {
    this.rooms.get(name)?.leave();
    this.rooms.delete(name);
    this.changed();
  }

  /** Says something in a room that was joined; null: there is no such room. */
  say(name: string, text: string, data?: unknown): Unsent | null {
    const room = this.rooms.get(name);

    if (!room) return null;
    if (this.fits(name, text, data)) return room.say(text, data);
    return { key: '', text, data, state: 'failed', error: 'too_large', times: 0 };
  }

  /** Whether a gateway would read it. */
  fits(name: string, text: string, data?: unknown): boolean {
    const request = JSON.stringify({ room: name, text, data });
    const bytes = new TextEncoder().encode(request).length + ENVELOPE_BYTES;

    return bytes <= (this.options.messageBytesMax ?? MESSAGE_BYTES_MAX);
  }

  /** Says again what failed, or gives it up. */
  sayAgain(name: string, key: string): void {
    this.rooms.get(name)?.again(key);
  }

  discard(name: string, key: string): void {
    this.rooms.get(name)?.discard(key);
  }

  /** Tells the others that the user is writing, as often as is needed. */
  setTyping(name: string, on: boolean): void {
    this.rooms.get(name)?.setTyping(on);
  }

  /** The room that is looked at: nothing in it is unread. */
  watch(name: string | null): void {
    for (const room of this.rooms.values()) room.watch(room.name === name);
  }

  /** Where events of members are not sent, a list gets old. */
  refreshMembers(name: string): void {
    this.rooms.get(name)?.askMembers();
  }

  /** The network may be back, or the machine woke up: tries at once. */
  wake(): void {
    this.connection.wake();
  }

  /** Ends for good; what is not acked stays unknown. */
  close(): void {
    this.connection.close();
    for (const room of this.rooms.values())
      room.stop({ why: 'left', reason: '', until: null });
  }

  private changed(): void {
    this.shown = null;
    if (this.isTelling) return;
    this.isTelling = true;
    queueMicrotask(() => {
      this.isTelling = false;
      for (const listener of this.listeners) listener();
    });
  }

  private commend(): void {
    this.connection.commend();
    this.setRedis('up');
  }

  private setRedis(redis: 'up' | 'down'): void {
    if (this.redis === redis) return;
    this.redis = redis;
    this.changed();
  }

  private onReady(): void {
    for (const room of this.rooms.values()) room.onOpen();
  }

  private onLost(): void {
    this.auth.onLost();
    for (const room of this.rooms.values()) room.onLost();
    this.setRedis('up'); // that connection's view of it; the next gateway has its own
  }

  private onEvent(event: WireEvent): void {
    this.options.onEvent?.(event);
    this.auth.take(event);
    if (event.type === 'status') this.onStatus(event.redis);
    else if (event.type === 'error') this.onRefusal(event);
    else if ('room' in event && event.room !== undefined)
      this.rooms.get(event.room)?.take(event);
  }

  private onStatus(redis: 'up' | 'down'): void {
    this.setRedis(redis);
    if (redis === 'down') return;
    for (const room of this.rooms.values()) room.onRedisUp();
  }

  private onRefusal(refusal: Extract<WireEvent, { type: 'error' }>): void {
    if (refusal.code === 'unavailable') this.setRedis('down');
    for (const room of this.rooms.values()) if (room.takeRefusal(refusal)) return;
  }
}
