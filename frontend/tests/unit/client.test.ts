// The parts of the client that need no gateway: order, numbers, pauses.

import { expect, test } from 'vitest';
import { pauseMs } from '../../src/client/backoff';
import { Members } from '../../src/client/members';
import { Outgoing } from '../../src/client/outgoing';
import { ITEMS_MAX, Timeline } from '../../src/client/timeline';
import { Typing } from '../../src/client/typing';
import { mayReturn, parseEvent, type WireMessage } from '../../src/client/wire';

const message = (seq: number): WireMessage => ({
  type: 'message',
  room: 'r',
  seq,
  user: 'ann',
  text: `${seq}`,
  ts: 0,
});

const ack = (epoch: string, seq: number, recovered: boolean) => ({
  type: 'join_ack' as const,
  room: 'r',
  user: 'ann',
  epoch,
  seq,
  members: 1,
  recovered,
});

const linesOf = (timeline: Timeline) =>
  timeline
    .snapshot()
    .map((item) =>
      item.kind === 'message'
        ? item.text
        : item.kind === 'gap'
          ? `gap ${item.from}-${item.to}`
          : 'reset',
    );

test.each([
  [1, 0, 0],
  [1, 0.999, 500],
  [2, 0.999, 1000],
  [5, 0.5, 4000],
  [50, 0.999, 29970],
])('attempt %i with chance %d waits about %i ms', (attempts, chance, ms) => {
  const pause = pauseMs(attempts, { leastMs: 500, mostMs: 30_000 }, () => chance);
  expect(Math.abs(pause - ms)).toBeLessThan(10);
});

test.each([
  [1000, true],
  [1001, true],
  [1002, false],
  [1005, true],
  [1006, true],
  [1009, false],
  [1012, true],
  [4000, true],
  [4499, true],
  [4500, false],
  [4503, false],
  [4999, false],
])('after close code %i coming back is %s', (code, expected) => {
  expect(mayReturn(code)).toBe(expected);
});

test.each(['', 'x', 'null', '[]', '7', '{"type":7}', '{}', undefined])(
  'no event: %s',
  (line) => {
    expect(parseEvent(line)).toBeNull();
  },
);

test('a history that joins live messages has no hole and no overlap', () => {
  const timeline = new Timeline();

  timeline.begin(ack('a', 2, false));
  timeline.take(message(1));
  timeline.take(message(2));
  timeline.finish();
  timeline.take(message(2));
  timeline.take(message(3));
  expect(linesOf(timeline)).toEqual(['1', '2', '3']);
  expect(timeline.position()).toEqual({ epoch: 'a', seq: 3 });
});

test('a history that is capped is no gap for who is new', () => {
  const timeline = new Timeline();

  timeline.begin(ack('a', 100, false));
  timeline.take(message(100));
  timeline.finish();
  expect(linesOf(timeline)).toEqual(['100']);
});

test('a history that is empty tells the position all the same', () => {
  const timeline = new Timeline();

  timeline.begin(ack('a', 7, false));
  timeline.finish();
  expect(timeline.position()).toEqual({ epoch: 'a', seq: 7 });
  timeline.take(message(8));
  timeline.begin(ack('a', 12, false));
  timeline.finish();
  expect(linesOf(timeline)).toEqual(['8', 'gap 9-12']);
});

test('a gap that overlaps what is here is only what is missing', () => {
  const timeline = new Timeline();

  timeline.begin(ack('a', 2, false));
  timeline.take(message(1));
  timeline.take(message(2));
  timeline.gap(1, 5);
  timeline.gap(1, 5);
  timeline.take(message(6));
  expect(linesOf(timeline)).toEqual(['1', '2', 'gap 3-5', '6']);
});

test('after a reset numbers start again, and the old ones keep their place', () => {
  const timeline = new Timeline();

  timeline.begin(ack('a', 1, false));
  timeline.take(message(1));
  timeline.reset('b', 0);
  timeline.take(message(1));
  timeline.remove(1);
  expect(linesOf(timeline)).toEqual(['1', 'reset', '']);
  expect(new Set(timeline.snapshot().map(({ id }) => id)).size).toBe(3);
});

test('an edited message says what it says now, a deleted one nothing', () => {
  const timeline = new Timeline();

  timeline.begin(ack('a', 0, false));
  timeline.take(message(1));
  timeline.take(message(2));
  timeline.edit(1, 'other', undefined);
  timeline.edit(7, 'not there', undefined);
  timeline.remove(2);
  timeline.edit(2, 'again', undefined);
  expect(linesOf(timeline)).toEqual(['other', '']);
});

test('a conversation does not grow without end', () => {
  const timeline = new Timeline();

  timeline.begin(ack('a', 0, false));
  for (let seq = 1; seq <= ITEMS_MAX + 10; seq++) timeline.take(message(seq));
  expect(timeline.snapshot()).toHaveLength(ITEMS_MAX);
  expect(linesOf(timeline)[0]).toBe('11');
});

const now = { epoch: 'a', seq: 0 };

test('an ack before the message keeps it shown until it comes', () => {
  const outgoing = new Outgoing();
  const { key } = outgoing.say('hi');

  outgoing.takeDue();
  outgoing.onAck(key, { epoch: 'a', seq: 1 }, now);
  expect(outgoing.snapshot().map(({ state }) => state)).toEqual(['acked']);
  outgoing.onMessage('hi', { epoch: 'a', seq: 1 });
  expect(outgoing.snapshot()).toEqual([]);
});

test('a message before its ack is not shown twice', () => {
  const outgoing = new Outgoing();
  const { key } = outgoing.say('hi');

  outgoing.takeDue();
  outgoing.onMessage('hi', { epoch: 'a', seq: 1 });
  expect(outgoing.snapshot()).toEqual([]);
  expect(outgoing.has(key)).toBe(true);
  outgoing.onAck(key, { epoch: 'a', seq: 1 }, { epoch: 'a', seq: 1 });
  expect(outgoing.has(key)).toBe(false);
});

test('the same text from elsewhere does not stand for ours', () => {
  const outgoing = new Outgoing();
  const { key } = outgoing.say('hi');

  outgoing.takeDue();
  outgoing.onMessage('hi', { epoch: 'a', seq: 1 });
  outgoing.onAck(key, { epoch: 'a', seq: 2 }, { epoch: 'a', seq: 1 });
  expect(outgoing.snapshot()).toHaveLength(1);
});

test('what was sent and not acked is due again after a cut, in its order and with its key', () => {
  const outgoing = new Outgoing();
  const keys = ['1', '2', '3'].map((text) => outgoing.say(text).key);

  outgoing.takeDue();
  outgoing.onAck(keys[0] ?? '', { epoch: 'a', seq: 1 }, { epoch: 'a', seq: 1 });
  outgoing.onLost();
  expect(outgoing.takeDue().map(({ key }) => key)).toEqual(keys.slice(1));
  expect(outgoing.snapshot().map(({ times }) => times)).toEqual([2, 2]);
});

test('what was acked in an epoch that is over is not waited for', () => {
  const outgoing = new Outgoing();
  const { key } = outgoing.say('hi');

  outgoing.takeDue();
  outgoing.onAck(key, { epoch: 'a', seq: 5 }, now);
  outgoing.onNewEpoch('b');
  expect(outgoing.snapshot()).toEqual([]);
});

const page = (members: string[], next: string | null) => ({
  type: 'member_list' as const,
  room: 'r',
  members,
  count: members.length,
  next,
});

test('who comes and goes while pages come is in the list as they are', () => {
  const members = new Members();

  members.begin();
  expect(members.takePage(page(['ann', 'bob'], 'nbob'))).toBe('nbob');
  members.leave('ann', 2);
  members.join('dan', 3);
  members.takePage(page(['cat'], null));
  expect(members.snapshot()).toEqual(['bob', 'cat', 'dan']);
});

test('who is writing is forgotten after a while, and is not said too often', () => {
  const typing = new Typing();

  typing.hear('bob', true, 0);
  expect(typing.snapshot()).toEqual(['bob']);
  expect(typing.prune(5999)).toBe(6000);
  typing.prune(6000);
  expect(typing.snapshot()).toEqual([]);
  expect([0, 1000, 3000, 3001].map((at) => typing.shouldSay(true, at))).toEqual([
    true,
    false,
    true,
    false,
  ]);
  expect(typing.shouldSay(false, 3002)).toBe(true);
  expect(typing.shouldSay(false, 3003)).toBe(false);
});
