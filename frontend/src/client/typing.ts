// Who is writing, and how seldom we say that we are. A signal may be lost, so what is not
// said again is over after a while.

export const TYPING_LASTS_MS = 6000;
export const TYPING_AGAIN_MS = 3000;

export class Typing {
  private readonly until = new Map<string, number>();
  private shown: readonly string[] = [];
  private saidAt = Number.NEGATIVE_INFINITY;

  /** The same array until somebody begins or ends. */
  snapshot(): readonly string[] {
    return this.shown;
  }

  hear(user: string, on: boolean, now: number): void {
    if (on) this.until.set(user, now + TYPING_LASTS_MS);
    else this.until.delete(user);
    this.prune(now);
  }

  /** When the next one is over; null: nobody is writing. */
  prune(now: number): number | null {
    for (const [user, until] of this.until) if (until <= now) this.until.delete(user);
    const users = [...this.until.keys()].sort();
    if (users.join('\n') !== this.shown.join('\n')) this.shown = users;
    return users.length > 0 ? Math.min(...this.until.values()) : null;
  }

  clear(): void {
    this.until.clear();
    this.shown = [];
    this.saidAt = Number.NEGATIVE_INFINITY;
  }

  /** Whether to tell the others now. */
  shouldSay(on: boolean, now: number): boolean {
    const says = on
      ? now - this.saidAt >= TYPING_AGAIN_MS
      : this.saidAt > Number.NEGATIVE_INFINITY;
    if (says) this.saidAt = on ? now : Number.NEGATIVE_INFINITY;
    return says;
  }
}
