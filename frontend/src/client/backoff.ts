// How long to wait before the next attempt: full jitter, any time up to a bound that
// doubles. So those who lost their gateway together do not come back together.

export interface Pauses {
  leastMs: number;
  mostMs: number;
}

/** `attempts`: how many were in vain since the last good connection, at least 1. */
export function pauseMs(
  attempts: number,
  { leastMs, mostMs }: Pauses,
  random: () => number = Math.random,
): number {
  const bound = Math.min(mostMs, leastMs * 2 ** Math.max(0, attempts - 1));
  return Math.floor(random() * (bound + 1));
}
