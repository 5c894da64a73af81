// Who the client is, where the fleet asks for tokens (docs/protocol.md, auth): first on each
// connection, and again before a token ends, on the connection that is open.
//
//     onOpen -> fetch -> auth sent -> onReady      auth_expiring -> fetch -> auth sent
//                  \-> onFailure: no token, try again later
//
// What may be said waits until `auth` was sent; the gateway takes it in that order.

import { makeKey, type Request, type WireEvent } from './wire';

/** A token, or what gets a new one: it is asked for each connection, and before a token ends. */
export type TokenSource = string | (() => string | Promise<string>);

export interface AuthHooks {
  send(request: Request): boolean;
  /** Everything else may be sent on this connection from now on. */
  onReady(): void;
  onFailure(why: string): void;
}

const RETRY_MS = 2000;

export class Auth {
  /** On the connection that is open. */
  isReady = false;
  private connection = 0;
  private id = '';
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly source: TokenSource | undefined,
    private readonly hooks: AuthHooks,
  ) {}

  /** Whether another token may be better than the one that was refused with this code. */
  mayReturn(code: number): boolean {
    return code === 4501 && typeof this.source === 'function';
  }

  onOpen(): void {
    this.connection++;
    if (this.source === undefined) this.becomeReady();
    else void this.present();
  }

  onLost(): void {
    clearTimeout(this.timer);
    this.connection++;
    this.isReady = false;
  }

  take(event: WireEvent): void {
    if (event.type === 'auth_expiring' && event.room === undefined) void this.present();
    if (event.type === 'error' && event.id === this.id && event.code === 'unavailable')
      this.presentIn(event.retry_after_ms ?? RETRY_MS);
  }

  private becomeReady(): void {
    this.isReady = true;
    this.hooks.onReady();
  }

  private presentIn(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.present(), ms);
  }

  /** A first token that cannot be had ends the connection; a later one is tried again. */
  private async present(): Promise<void> {
    const { connection, source } = this;

    if (this.isReady && typeof source === 'string') return; // there is no newer one
    try {
      const token = typeof source === 'function' ? await source() : source;
      if (connection !== this.connection) return;
      this.id = `auth-${makeKey()}`;
      this.hooks.send({ type: 'auth', id: this.id, token });
      if (!this.isReady) this.becomeReady();
    } catch {
      if (connection !== this.connection) return;
      if (this.isReady) this.presentIn(RETRY_MS);
      else this.hooks.onFailure('no token could be had');
    }
  }
}
