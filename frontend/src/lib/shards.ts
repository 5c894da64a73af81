// The shards, as an operator wants them said: a Redis that serves several of them is one row.

import type { Shard } from './api';

export interface ShardGroup {
  where: string;
  /** In ascending order. */
  numbers: readonly number[];
  up: boolean;
  role: string | null;
  /** Of all of them; null where nobody could be asked. */
  rooms: number | null;
}

const sum = (a: number | null, b: number | null) =>
  a === null || b === null ? null : a + b;

/** Those that one Redis serves together, unless some of them are down and others are not. */
export function groupShards(shards: readonly Shard[]): ShardGroup[] {
  const groups = new Map<string, ShardGroup>();

  for (const { shard_id, where, up, role, rooms } of shards) {
    const key = `${where} ${up} ${role}`;
    const group = groups.get(key);
    groups.set(key, {
      where,
      numbers: [...(group?.numbers ?? []), shard_id],
      up,
      role,
      rooms: group ? sum(group.rooms, rooms) : rooms,
    });
  }
  return [...groups.values()];
}

/** “0–3, 7”: numbers in ascending order, what follows one another together. */
export function printNumbers(numbers: readonly number[]): string {
  const runs: [first: number, last: number][] = [];

  for (const number of numbers) {
    const run = runs.at(-1);
    if (run && run[1] === number - 1) run[1] = number;
    else runs.push([number, number]);
  }
  return runs
    .map(([first, last]) => {
      if (first === last) return `${first}`;
      return last === first + 1 ? `${first}, ${last}` : `${first}–${last}`;
    })
    .join(', ');
}

const plural = (numbers: readonly number[]) =>
  numbers.length === 1 ? 'shard' : 'shards';

/** “1 of 3 shards is down”; null: none is. One alone is what all else calls Redis. */
export function printDown(shards: readonly Shard[]): string | null {
  const down = shards.filter(({ up }) => !up).length;
  if (shards.length < 2 || down === 0) return null;
  return `${down} of ${shards.length} shards ${down === 1 ? 'is' : 'are'} down`;
}

/** What a list of rooms leaves out. */
export function printMissing(numbers: readonly number[]): string {
  const why = numbers.length === 1 ? 'it does not answer' : 'they do not answer';
  return `Rooms of ${plural(numbers)} ${printNumbers(numbers)} are left out: ${why}.`;
}
