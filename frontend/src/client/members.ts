// Who is in a room: asked for page by page, kept by member_joined and member_left, and asked
// for again whenever events may have been missed. While pages come, what was known stays;
// what comes and goes meanwhile is applied to both.

import type { MemberList } from './wire';

/** Of a larger room only so many names are held; the count is of all. */
export const MEMBERS_MAX = 2000;

export class Members {
  count = 0;
  /** Not all names are here: the room is too large. */
  partial = false;
  private names = new Set<string>();
  private coming: Set<string> | null = null;
  private shown: readonly string[] | null = null;

  /** Sorted; the same array until something changes. */
  snapshot(): readonly string[] {
    this.shown ??= [...this.names].sort((a, b) => (a < b ? -1 : 1));
    return this.shown;
  }

  begin(): void {
    this.coming = new Set();
  }

  /** The cursor of the next page to ask for; null: that was all. */
  takePage(page: MemberList): string | null {
    const coming = this.coming ?? new Set<string>();

    for (const name of page.members) coming.add(name);
    this.coming = coming;
    this.count = page.count;
    if (page.next !== null && coming.size < MEMBERS_MAX) return page.next;
    this.partial = page.next !== null;
    this.names = coming;
    this.coming = null;
    this.shown = null;
    return null;
  }

  join(user: string, count: number): void {
    this.count = count;
    this.coming?.add(user);
    if (this.names.size < MEMBERS_MAX) this.names.add(user);
    else this.partial = true;
    this.shown = null;
  }

  leave(user: string, count: number): void {
    this.count = count;
    this.coming?.delete(user);
    this.names.delete(user);
    this.shown = null;
  }

  clear(): void {
    this.names = new Set();
    this.coming = null;
    this.partial = false;
    this.count = 0;
    this.shown = null;
  }
}
