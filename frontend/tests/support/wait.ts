// Waiting for a condition, with a deadline: no test sleeps for luck.

const DEADLINE_MS = 50_000;
const LOOK_MS = 20;

/** Until `look` gives something that is not false, null or undefined; that is returned. A
 *  look that throws was in vain. */
export async function waitFor<T>(
  what: string,
  look: () => T | Promise<T>,
): Promise<NonNullable<T>> {
  const end = Date.now() + DEADLINE_MS;
  let last: unknown = 'nothing';

  for (;;) {
    try {
      const got = await look();
      if (got !== false && got !== null && got !== undefined) return got;
      last = got;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`in vain: ${what} (last: ${last})`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
