// The console's logic without a browser: events out of bytes, routes, times, lines, gateways.

import { expect, test } from 'vitest';
import {
  type Api,
  ApiError,
  bytesOf,
  type GatewayNode,
  type Message,
} from '../../src/lib/api';
import {
  NOTHING,
  withMessage,
  withNewest,
  withOlder,
  withoutText,
} from '../../src/lib/conversation';
import { printCountdown, printDuration } from '../../src/lib/format';
import { mergeNodes } from '../../src/lib/gateways';
import { challengeOf } from '../../src/lib/login';
import { parseRoute, printRoute } from '../../src/lib/route';
import { mergeSamples, pointsOf } from '../../src/lib/series';
import { roleMay } from '../../src/lib/session';
import {
  groupShards,
  printDown,
  printMissing,
  printNumbers,
} from '../../src/lib/shards';
import { EventParser } from '../../src/lib/sse';
import { LiveStream } from '../../src/lib/stream';

test('the challenge is the hash that RFC 7636 has for its example', async () => {
  expect(await challengeOf('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk')).toBe(
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  );
});

test('each role may what the ones before it may', () => {
  const roles = ['viewer', 'moderator', 'admin'] as const;

  roles.forEach((role, rank) => {
    roles.forEach((need, needed) => {
      expect(roleMay(role, need)).toBe(rank >= needed);
    });
  });
});

test('events are read wherever the bytes are cut', () => {
  const text =
    ': welcome\n\nevent: stats\ndata: {"n":1}\n\nevent: message\ndata: {"text":"é\u{1f600}"}\n\n: still here\n\n';
  const bytes = new TextEncoder().encode(text);

  for (let size = 1; size <= bytes.length; size++) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < bytes.length; at += size)
      events.push(...parser.feed(bytes.subarray(at, at + size)));
    expect(events).toEqual([
      { type: 'stats', data: { n: 1 } },
      { type: 'message', data: { text: 'é\u{1f600}' } },
    ]);
  }
});

test.each([
  '..',
  '.',
  'a.b',
  'a/b',
  '#',
  '?x=1',
  '%2e',
  ' ',
  '👨‍👩‍👧',
  '<script>',
  '\u202e',
])('the room %j has a route that comes back as it was', (room) => {
  expect(parseRoute(printRoute({ view: 'room', room }))).toEqual({
    view: 'room',
    room,
  });
});

test.each([
  ['', 'overview'],
  ['#/', 'overview'],
  ['#/rooms', 'rooms'],
  ['#/rooms/', 'rooms'],
  ['#/rooms/%', 'rooms'],
  ['#/nowhere', 'overview'],
  ['#/chat', 'chat'],
])('the hash %j shows %s', (hash, view) => {
  expect(parseRoute(hash).view).toBe(view);
});

test.each([
  [-1, '0:00'],
  [1, '0:01'],
  [59_001, '1:00'],
  [61_000, '1:01'],
  [3_600_000, '1:00:00'],
])('%i ms of a countdown are shown as %s', (ms, text) => {
  expect(printCountdown(ms)).toBe(text);
});

test.each([
  [0, '0 s'],
  [61_000, '1 min 1 s'],
  [3_600_000, '1 h'],
  [90_000_000, '1 d 1 h'],
])('%i ms are %s', (ms, text) => {
  expect(printDuration(ms)).toBe(text);
});

test('a name beyond ASCII travels in a header as its UTF-8', () => {
  expect(bytesOf('é')).toBe('\u00c3\u00a9');
});

const sample = (ts: number, messages_total: number) => ({
  ts,
  connections: 1,
  members: 1,
  rooms: 1,
  gateways: 1,
  messages_total,
});

test('messages a second are those between samples, and none where a total fell', () => {
  const samples = [
    sample(0, 0),
    sample(10_000, 50),
    sample(20_000, 50),
    sample(30_000, 0),
  ];
  expect(pointsOf(samples, 'rate').map(({ y }) => y)).toEqual([5, 0, null]);
});

test('the stream goes on where the kept samples end, and a line breaks where some are missing', () => {
  const merged = mergeSamples(
    [sample(0, 0), sample(100_000, 0), sample(110_000, 0)],
    [sample(105_000, 0), sample(106_000, 0)],
    50,
  );
  expect(merged.map(({ ts }) => ts)).toEqual([100_000, 105_000, 106_000]);
  expect(
    pointsOf([sample(0, 0), sample(10_000, 0), sample(90_000, 0)], 'rooms').map(
      ({ y }) => y,
    ),
  ).toEqual([1, 1, null, 1]);
});

test('a day of samples is thinned to what a chart can show, with its peak', () => {
  const day = Array.from({ length: 8640 }, (_, i) => ({
    ...sample(i * 10_000, 0),
    rooms: i === 4321 ? 99 : 1,
  }));
  const points = pointsOf(day, 'rooms');
  expect(points.length).toBeLessThan(300);
  expect(Math.max(...points.map(({ y }) => y ?? 0))).toBe(99);
  expect(points.some(({ y }) => y === null)).toBe(false);
});

const node = (name: string, change: Partial<GatewayNode> = {}): GatewayNode => ({
  node: name,
  address: `${name}.example`,
  version: '1',
  started_at: 0,
  connections: 0,
  rooms: 0,
  members: 0,
  draining: false,
  heartbeat_age_ms: 100,
  ...change,
});

test('a gateway that goes without draining stays in the list as lost, for a while', () => {
  const dead = { address: null, version: null, draining: null };
  let known = mergeNodes([], [node('a'), node('b'), node('c', { draining: true })], 0);
  known = mergeNodes(
    known,
    [node('a', { heartbeat_age_ms: 9000 }), node('b', dead)],
    1000,
  );
  expect(known.map(({ node, state }) => [node, state])).toEqual([
    ['a', 'silent'],
    ['b', 'dead'],
  ]);
  expect(known[1]?.address).toBe('b.example');
  known = mergeNodes(known, [node('a')], 2000);
  expect(known.map(({ state }) => state)).toEqual(['ready', 'lost']);
  known = mergeNodes(known, [node('a')], 3_000_000);
  expect(known.map(({ state }) => state)).toEqual(['ready']);
});

test('a lost gateway that is back is not lost', () => {
  const first = node('vm-1-aa.0', { address: 'chat1:9001' });
  const other = node('vm-1-aa.1', { address: 'chat1:9001' });
  const again = node('vm-2-bb.0', { address: 'chat1:9001' });
  let known = mergeNodes([], [first, other], 0);
  known = mergeNodes(known, [], 1000);
  expect(known.map(({ state }) => state)).toEqual(['lost', 'lost']);
  known = mergeNodes(known, [again], 2000);
  expect(known.map(({ node, state }) => [node, state])).toEqual([
    ['vm-1-aa.1', 'lost'],
    ['vm-2-bb.0', 'ready'],
  ]);
});

const said = (seq: number): Message => ({
  type: 'message',
  room: 'r',
  seq,
  ts: 0,
  user: 'ann',
  text: `${seq}`,
});

test('pages and live messages make one conversation, in any order', () => {
  const live = withMessage(NOTHING, said(6));
  const newest = withNewest(live, {
    messages: [said(4), said(5), said(6)],
    more: true,
  });
  const all = withOlder(newest, { messages: [said(2), said(3)], more: false });
  expect(all.messages.map(({ seq }) => seq)).toEqual([2, 3, 4, 5, 6]);
  expect(all.more).toBe(false);
  const far = withNewest(all, { messages: [said(20)], more: true });
  expect(far.messages.map(({ seq }) => seq)).toEqual([20]);
});

test('a deleted message stays deleted, whatever comes late', () => {
  const deleted = withoutText(withMessage(NOTHING, said(1)), 1);
  expect(withMessage(deleted, said(1)).messages[0]).toMatchObject({ deleted: true });
});

test('who listens again and finds no room is not live any more', async () => {
  const refused = new ApiError(503, 'unavailable', 'too many listeners');
  const first = ': welcome\n\nevent: stats\ndata: {"redis_up":true}\n\n';
  const open = new ReadableStream({
    start: (body) => body.enqueue(new TextEncoder().encode(first)),
  });
  const answers = [() => new Response(open)];
  const api = {
    open: async () => (answers.shift() ?? (() => Promise.reject(refused)))(),
    stats: async () => ({ redis_up: true }),
  };
  const stream = new LiveStream(api as unknown as Api);
  stream.open();
  await expect.poll(() => stream.snapshot().state).toBe('live');
  stream.follow('lobby');
  await expect.poll(() => stream.snapshot().state).toBe('full');
  stream.close();
});

test('shards of one Redis are one row, those that are down another', () => {
  const shard = (
    shard_id: number,
    where: string,
    up: boolean,
    rooms: number | null,
  ) => ({
    shard_id,
    where,
    up,
    rooms,
    role: up ? 'master' : null,
  });
  const told = [
    shard(0, 'a:1', true, 2),
    shard(1, 'b:2', true, 5),
    shard(2, 'a:1', true, 3),
    shard(3, 'a:1', false, null),
  ];

  expect(groupShards(told)).toEqual([
    { where: 'a:1', numbers: [0, 2], up: true, role: 'master', rooms: 5 },
    { where: 'b:2', numbers: [1], up: true, role: 'master', rooms: 5 },
    { where: 'a:1', numbers: [3], up: false, role: null, rooms: null },
  ]);
  expect(printDown(told)).toBe('1 of 4 shards is down');
  expect(printDown(told.slice(0, 3))).toBeNull();
  expect(printDown(told.slice(3))).toBeNull(); // one alone is Redis
  expect(printNumbers([0, 1, 2, 5, 7, 8])).toBe('0–2, 5, 7, 8');
  expect(printMissing([2])).toBe('Rooms of shard 2 are left out: it does not answer.');
  expect(printMissing([1, 2])).toContain('shards 1, 2 are left out: they do not');
});
