// One WebSocket at a time to one of several addresses, for as long as it is wanted.
//
//     connect -> onOpen -> onLine …            silence -> ping -> nothing -> lost
//        ^                                     `reconnect` -> at its time -> lost
//        |                                          |
//     waiting (full jitter) <-----------------------+----> ended (4500 and the like)
//
// One timer serves the state: the deadline of an attempt, the watch for silence, the pause.
// It knows nothing of rooms: its owner joins again in onOpen.

import { type Pauses, pauseMs } from './backoff';
import { mayReturn, parseEvent, type Request, type WireEvent } from './wire';

export interface ConnectionStatus {
  /** ended: the server wants no such client, or it was closed; it does not come back. */
  state: 'connecting' | 'open' | 'waiting' | 'ended';
  /** What it is connected to or tries, or tried last. */
  address: string;
  /** Attempts in vain since the last good connection. */
  attempts: number;
  /** While waiting: when it tries again, in ms since 1970. */
  retryAt: number | null;
  /** Why the last connection ended. */
  code: number | null;
  reason: string;
}

export interface ConnectionOptions {
  /** Tried in turn, from `first` on (at random if it is not given). */
  addresses: readonly string[];
  first?: number;
  pauses?: Partial<Pauses>;
  /** A connection on which nothing comes for so long is asked, and given up after as long
   *  again; also how long an attempt may take. */
  silenceMs?: number;
}

export interface ConnectionHooks {
  /** Whether to come back although the server closed with a code that says not to. */
  mayReturn?(code: number): boolean;
  onOpen(): void;
  onEvent(event: WireEvent): void;
  /** Behind it nothing comes from the connection that was. */
  onLost(): void;
  onStatus(): void;
}

export class Connection {
  status: ConnectionStatus;
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private at: number;
  private wasAsked = false;
  private returning = false;
  private readonly addresses: readonly string[];
  private readonly pauses: Pauses;
  private readonly silenceMs: number;

  constructor(
    options: ConnectionOptions,
    private readonly hooks: ConnectionHooks,
  ) {
    if (options.addresses.length === 0) throw new Error('no address to connect to');
    this.addresses = options.addresses;
    this.at = options.first ?? Math.floor(Math.random() * options.addresses.length);
    this.pauses = { leastMs: 500, mostMs: 30_000, ...options.pauses };
    this.silenceMs = options.silenceMs ?? 15_000;
    this.status = {
      state: 'connecting',
      address: this.address(),
      attempts: 0,
      retryAt: null,
      code: null,
      reason: '',
    };
    // Not at once: the owner must not be called from its own constructor.
    this.startTimer(0, () => this.connect());
  }

  /** False: not connected, it was not sent. */
  send(request: Request): boolean {
    if (!this.socket || this.status.state !== 'open') return false;
    this.socket.send(JSON.stringify(request));
    return true;
  }

  /** The owner found this connection to be of use: a failure after it is the first one. */
  commend(): void {
    if (this.status.attempts > 0) this.setStatus({ attempts: 0 });
  }

  /** The network may be back: what waits tries at once, what is open is asked. */
  wake(): void {
    if (this.status.state === 'waiting') this.connect();
    else if (this.status.state === 'open' && !this.returning && !this.wasAsked)
      this.ask();
  }

  /** Gives up the connection that is open, and comes back after a pause. */
  restart(why: string): void {
    if (this.status.state === 'open') this.giveUp(why);
  }

  close(): void {
    if (this.status.state === 'ended') return;
    this.drop()?.close(1000);
    this.setStatus({ state: 'ended', retryAt: null, code: 1000, reason: '' });
  }

  private address(): string {
    return this.addresses[this.at % this.addresses.length] as string;
  }

  private setStatus(change: Partial<ConnectionStatus>): void {
    this.status = { ...this.status, ...change };
    this.hooks.onStatus();
  }

  private startTimer(ms: number, action: () => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(action, ms);
  }

  /** Lets go of the socket; what it still says is not heard. */
  private drop(): WebSocket | null {
    const socket = this.socket;
    clearTimeout(this.timer);
    this.socket = null;
    this.wasAsked = false;
    this.returning = false;
    return socket;
  }

  private connect(): void {
    const socket = new WebSocket(this.address(), 'roomcast.v1');
    const ours = () => this.socket === socket;

    this.socket = socket;
    socket.onopen = () => ours() && this.onOpen();
    socket.onmessage = (message) => ours() && this.onLine(message.data);
    socket.onclose = ({ code, reason }) => ours() && this.onClose(code, reason);
    // Of an attempt that failed node tells this alone.
    socket.onerror = () =>
      ours() &&
      this.status.state === 'connecting' &&
      this.onClose(1006, 'no connection');
    this.startTimer(this.silenceMs, () => this.giveUp('no answer'));
    this.setStatus({ state: 'connecting', address: this.address(), retryAt: null });
  }

  private onOpen(): void {
    this.watch();
    this.setStatus({ state: 'open', code: null, reason: '' });
    this.hooks.onOpen();
  }

  private onLine(line: unknown): void {
    const event = parseEvent(line);

    if (!this.returning) this.watch();
    if (!event) return;
    if (event.type === 'reconnect') this.returnIn(event.after_ms);
    this.hooks.onEvent(event);
  }

  private watch(): void {
    this.wasAsked = false;
    this.startTimer(this.silenceMs, () => this.ask());
  }

  private ask(): void {
    if (this.wasAsked) {
      this.giveUp('silent for too long');
      return;
    }
    this.send({ type: 'ping' });
    this.wasAsked = true;
    this.startTimer(this.silenceMs, () => this.ask());
  }

  /** A gateway that goes away says when each of its clients shall come back. */
  private returnIn(ms: number): void {
    this.returning = true;
    this.startTimer(ms, () => {
      this.drop()?.close(1000);
      this.lose(1000, 'the gateway goes away', 0);
    });
  }

  private giveUp(why: string): void {
    this.drop()?.close();
    this.lose(1006, why);
  }

  private onClose(code: number, reason: string): void {
    const pause = this.returning || code === 4000 ? 0 : undefined;

    this.drop();
    this.lose(code, reason, pause);
  }

  private lose(code: number, reason: string, pause?: number): void {
    this.hooks.onLost();
    if (!mayReturn(code) && !this.hooks.mayReturn?.(code)) {
      this.setStatus({ state: 'ended', retryAt: null, code, reason });
      return;
    }
    const attempts = this.status.attempts + 1;
    const ms = pause ?? pauseMs(attempts, this.pauses);
    this.at = (this.at + 1) % this.addresses.length;
    this.startTimer(ms, () => this.connect());
    this.setStatus({
      state: 'waiting',
      attempts,
      retryAt: Date.now() + ms,
      code,
      reason,
    });
  }
}
