// From samples to lines: what the service kept (one each ten seconds, up to a day) and what
// the stream brought since, thinned to what a chart can show.

import type { Sample } from './api';

/** null: nothing is known here, the line breaks. */
export interface Point {
  x: number;
  y: number | null;
}

export type Measure = 'connections' | 'rooms' | 'gateways' | 'rate';

const BREAK_MS = 45_000; // a few samples are missing
const RATE_OVER_MS = 10_000; // gateways tell their totals every few seconds only
const POINTS_MAX = 240;

/** Oldest first; of the kept ones those before the stream's first. */
export function mergeSamples(
  kept: readonly Sample[],
  live: readonly Sample[],
  from: number,
): Sample[] {
  const first = live[0]?.ts ?? Number.POSITIVE_INFINITY;
  return [...kept.filter(({ ts }) => ts < first), ...live].filter(
    ({ ts }) => ts >= from,
  );
}

/** Messages a second; a total that fell was restarted, and says nothing. */
function ratesOf(samples: readonly Sample[]): Point[] {
  const points: Point[] = [];
  let back = 0;

  for (const [i, sample] of samples.entries()) {
    while (back < i - 1 && sample.ts - (samples[back + 1] as Sample).ts >= RATE_OVER_MS)
      back++;
    const before = samples[back] as Sample;
    const secs = (sample.ts - before.ts) / 1000;
    const messages = sample.messages_total - before.messages_total;
    if (secs > 0)
      points.push({ x: sample.ts, y: messages >= 0 ? messages / secs : null });
  }
  return points;
}

/** One point a bucket, the largest value in it, so that no peak is lost. */
function thin(points: Point[]): Point[] {
  const per = Math.ceil(points.length / POINTS_MAX);
  const thinned: Point[] = [];

  if (per <= 1) return points;
  for (let i = 0; i < points.length; i += per)
    thinned.push(
      points
        .slice(i, i + per)
        .reduce((most, point) => ((point.y ?? -1) > (most.y ?? -1) ? point : most)),
    );
  return thinned;
}

function breakLines(points: Point[], gapMs: number): Point[] {
  return points.flatMap((point, i) => {
    const before = points[i - 1];
    return before && point.x - before.x > gapMs
      ? [{ x: before.x + 1, y: null }, point]
      : [point];
  });
}

export function pointsOf(samples: readonly Sample[], measure: Measure): Point[] {
  const all =
    measure === 'rate'
      ? ratesOf(samples)
      : samples.map((s) => ({ x: s.ts, y: s[measure] }));
  const few = thin(all);
  const perPoint = Math.ceil(all.length / Math.max(1, few.length));

  return breakLines(few, BREAK_MS * perPoint);
}

export const lastOf = (points: readonly Point[]): number | null =>
  points.at(-1)?.y ?? null;
