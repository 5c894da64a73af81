// The client when something fails: connections that are cut or fall silent, gateways that are
// killed or drained, a Redis that is restarted with and without its data. What was said is
// there once, in order; what is missing is said.

import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  closeChats,
  linesOf,
  openChat,
  roomOf,
  waitLines,
  waitLive,
} from '../support/chat';
import { fleetOfFile } from '../support/fleet';
import { CutProxy } from '../support/proxy';
import { waitFor } from '../support/wait';

const fleet = fleetOfFile({ ROOMCAST_HISTORY_LIMIT: '50' });
let proxy: CutProxy;

beforeEach(async () => {
  proxy = await CutProxy.start(fleet.port(0));
});
afterEach(async () => {
  closeChats();
  await proxy.stop();
});

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`);

test('connections cut again and again lose and double nothing', async () => {
  const ann = openChat({ addresses: [proxy.url()], user: 'ann' });
  const bob = openChat({ addresses: [fleet.url(1)], user: 'bob' });

  ann.join('cuts');
  bob.join('cuts');
  for (let i = 1; i <= 40; i++) {
    ann.say('cuts', `${i}`);
    if (i % 8 === 0) {
      await waitFor(
        'some of it is out',
        () => ann.snapshot().connection.state === 'open',
      );
      proxy.cut();
    }
  }
  await waitLines(ann, 'cuts', numbers(1, 40));
  await waitLines(bob, 'cuts', numbers(1, 40));
});

test('what was said meanwhile is there after a cut', async () => {
  const ann = openChat({ addresses: [proxy.url()], user: 'ann' });
  const bob = openChat({ addresses: [fleet.url(1)], user: 'bob' });

  ann.join('away');
  bob.join('away');
  bob.say('away', '1');
  await waitLines(ann, 'away', ['1']);
  proxy.shut(true);
  await waitFor('ann is away', () => ann.snapshot().connection.state !== 'open');
  ann.say('away', 'from ann');
  expect(roomOf(ann, 'away').unsent.map(({ text }) => text)).toEqual(['from ann']);
  for (let i = 2; i <= 10; i++) bob.say('away', `${i}`);
  await waitLines(bob, 'away', numbers(1, 10));
  await fleet.ask('DELETE', '/rooms/away/messages/1');
  proxy.shut(false);
  await waitLines(ann, 'away', ['deleted', ...numbers(2, 10), 'from ann']);
  expect(roomOf(ann, 'away').unread).toBeGreaterThanOrEqual(9);
});

test('what the history does not hold any more is a gap', async () => {
  const ann = openChat({ addresses: [proxy.url()], user: 'ann' });
  const bob = openChat({ addresses: [fleet.url(1)], user: 'bob' });

  ann.join('long');
  bob.join('long');
  bob.say('long', '1');
  await waitLines(ann, 'long', ['1']);
  proxy.shut(true);
  for (let i = 2; i <= 80; i++) bob.say('long', `${i}`);
  await waitLines(bob, 'long', numbers(1, 80));
  proxy.shut(false);
  await waitLines(ann, 'long', ['1', 'gap 2-30', ...numbers(31, 80)]);
});

test('a connection that fell silent is given up', async () => {
  const ann = openChat({
    addresses: [proxy.url(), fleet.url(1)],
    first: 0,
    user: 'ann',
    silenceMs: 300,
  });

  ann.join('hush');
  await waitLive(ann, 'hush');
  proxy.mute(true);
  ann.say('hush', 'is anybody there?');
  await waitLines(ann, 'hush', ['is anybody there?']);
  expect(ann.snapshot().connection.address).toBe(fleet.url(1));
});

test('an address that does not answer is passed over', async () => {
  proxy.shut(true);
  const ann = openChat({
    addresses: [proxy.url(), fleet.url(1)],
    first: 0,
    user: 'ann',
  });

  ann.join('detour');
  ann.say('detour', 'here');
  await waitLines(ann, 'detour', ['here']);
});

test('a killed gateway costs nothing but the connection', async () => {
  const ann = openChat({ addresses: fleet.urls(), first: 0, user: 'ann' });
  const bob = openChat({ addresses: fleet.urls(), first: 1, user: 'bob' });

  ann.join('storm');
  bob.join('storm');
  await waitLive(ann, 'storm');
  await waitLive(bob, 'storm');
  for (let i = 1; i <= 10; i++) ann.say('storm', `${i}`);
  await fleet.killGateway(0);
  for (let i = 11; i <= 20; i++) ann.say('storm', `${i}`);
  await waitLines(ann, 'storm', numbers(1, 20));
  await waitLines(bob, 'storm', numbers(1, 20));
  expect(ann.snapshot().connection.address).toBe(fleet.url(1));
  await fleet.startGateway(0);
});

test('a draining gateway is left when it says so', async () => {
  const told: string[] = [];
  const ann = openChat({
    addresses: fleet.urls(),
    first: 0,
    user: 'ann',
    pauses: { leastMs: 1_000_000, mostMs: 1_000_000 },
    onEvent: ({ type }) => told.push(type),
  });

  ann.join('drain');
  await waitLive(ann, 'drain');
  fleet.drainGateway(0);
  await waitFor(
    'ann is on the other one',
    () => ann.snapshot().connection.address === fleet.url(1),
  );
  ann.say('drain', 'moved');
  await waitLines(ann, 'drain', ['moved']);
  expect(told).toContain('reconnect');
  await fleet.killGateway(0);
  await fleet.startGateway(0);
});

test('a restarted Redis is waited for, and nothing said meanwhile is lost', async () => {
  const ann = openChat({ addresses: [fleet.url(0)], user: 'ann' });
  const bob = openChat({ addresses: [fleet.url(1)], user: 'bob' });

  ann.join('redis');
  bob.join('redis');
  ann.say('redis', '1');
  await waitLines(bob, 'redis', ['1']);
  await fleet.killRedis();
  await waitFor('ann is told', () => ann.snapshot().redis === 'down');
  ann.say('redis', '2');
  ann.say('redis', '3');
  await fleet.startRedis();
  await waitFor('all was said', () => roomOf(ann, 'redis').unsent.length === 0);
  await waitFor('bob has all', () => linesOf(bob, 'redis').length === 3);
  expect(linesOf(bob, 'redis')).toEqual(['1', '2', '3']);
  await waitLines(ann, 'redis', linesOf(bob, 'redis'));
  await waitFor(
    'both are listed',
    () => roomOf(ann, 'redis').members.join() === 'ann,bob',
  );
});

test('a Redis that lost everything is shown as a reset', async () => {
  const ann = openChat({ addresses: [fleet.url(0)], user: 'ann' });

  ann.join('lost');
  ann.say('lost', 'before');
  await waitLines(ann, 'lost', ['before']);
  await fleet.killRedis();
  await fleet.forgetRedis();
  await fleet.startRedis();
  await waitFor('ann is told', () => linesOf(ann, 'lost').includes('reset'));
  ann.say('lost', 'after');
  await waitLines(ann, 'lost', ['before', 'reset', 'after']);
  await waitFor('the list is back', () => roomOf(ann, 'lost').members.join() === 'ann');
});

test('a room recreated while away replaces what was shown', async () => {
  const kinds: string[] = [];
  const ann = openChat({
    addresses: [proxy.url()],
    user: 'ann',
    onEvent: ({ type }) => kinds.push(type),
  });
  const bob = openChat({ addresses: [fleet.url(1)], user: 'bob' });

  ann.join('recreated');
  ann.say('recreated', 'old');
  await waitLines(ann, 'recreated', ['old']);
  // The message may come before its ack; what is not acked is said again in the next room.
  await waitFor('it is acked', () => kinds.includes('message_ack'));
  proxy.shut(true);
  await fleet.ask('POST', '/rooms/recreated/close');
  bob.join('recreated');
  bob.say('recreated', 'new');
  await waitLines(bob, 'recreated', ['new']);
  proxy.shut(false);
  await waitLines(ann, 'recreated', ['reset', 'new']);
});
