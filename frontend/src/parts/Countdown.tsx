// When an empty room expires, second by second; nothing while somebody is in.

import { printCountdown } from '../lib/format';
import { Ticking } from './basics';

export function Countdown({ ttlMs, at }: { ttlMs: number | null; at: number }) {
  if (ttlMs === null) return <span className="hint">–</span>;
  return <Ticking print={(now) => printCountdown(at + ttlMs - Math.max(now, at))} />;
}
