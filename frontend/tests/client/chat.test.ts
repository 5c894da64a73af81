// The client against real gateways and a real Redis, when nothing fails.

import { afterEach, expect, test } from 'vitest';
import {
  closeChats,
  linesOf,
  openChat,
  roomOf,
  waitLines,
  waitLive,
} from '../support/chat';
import { fleetOfFile } from '../support/fleet';
import { waitFor } from '../support/wait';

const fleet = fleetOfFile();

afterEach(closeChats);

test('two users on two gateways hear each other in one order', async () => {
  const ann = openChat({ addresses: [fleet.url(0)], user: 'ann' });
  const bob = openChat({ addresses: [fleet.url(1)], user: 'bob' });
  const said: string[] = [];

  ann.join('order');
  bob.join('order');
  await waitLive(ann, 'order');
  await waitLive(bob, 'order');
  for (let i = 0; i < 20; i++) {
    (i % 2 ? ann : bob).say('order', `${i}`);
    said.push(`${i}`);
  }
  await waitFor('all was heard', () => linesOf(ann, 'order').length === said.length);
  const order = linesOf(ann, 'order');
  await waitLines(bob, 'order', order);
  expect([...order].sort()).toEqual([...said].sort());
});

test('one connection is in several rooms, and each has its history', async () => {
  const ann = openChat({ addresses: fleet.urls(), user: 'ann' });
  for (const room of ['den', 'attic']) {
    ann.join(room);
    ann.say(room, `hello ${room}`);
  }
  await waitLines(ann, 'den', ['hello den']);
  await waitLines(ann, 'attic', ['hello attic']);

  const late = openChat({ addresses: fleet.urls(), user: 'late' });
  late.join('den');
  late.join('attic');
  await waitLines(late, 'den', ['hello den']);
  await waitLines(late, 'attic', ['hello attic']);
});

test('the list of members is asked for, and kept', async () => {
  const ann = openChat({ addresses: [fleet.url(0)], user: 'ann' });
  const bob = openChat({ addresses: [fleet.url(1)], user: 'bob' });

  ann.join('club');
  await waitFor('ann is in', () => roomOf(ann, 'club').members.length === 1);
  bob.join('club');
  await waitFor('both see both', () =>
    [ann, bob].every(
      (each) =>
        roomOf(each, 'club').members.join() === 'ann,bob' &&
        roomOf(each, 'club').memberCount === 2,
    ),
  );
  bob.leave('club');
  await waitFor('bob has left', () => roomOf(ann, 'club').members.join() === 'ann');
});

test('who is writing is shown until the message comes', async () => {
  const ann = openChat({ addresses: [fleet.url(0)], user: 'ann' });
  const bob = openChat({ addresses: [fleet.url(1)], user: 'bob' });

  ann.join('desk');
  bob.join('desk');
  await waitLive(ann, 'desk');
  await waitLive(bob, 'desk');
  bob.setTyping('desk', true);
  await waitFor('bob writes', () => roomOf(ann, 'desk').typing.join() === 'bob');
  bob.say('desk', 'done');
  await waitLines(ann, 'desk', ['done']);
  expect(roomOf(ann, 'desk').typing).toEqual([]);
});

test('messages are unread until the room is looked at', async () => {
  const ann = openChat({ addresses: [fleet.url(0)], user: 'ann' });
  const bob = openChat({ addresses: [fleet.url(1)], user: 'bob' });

  bob.join('shelf');
  bob.say('shelf', 'before ann');
  await waitLines(bob, 'shelf', ['before ann']);
  ann.join('shelf');
  await waitLive(ann, 'shelf');
  expect(roomOf(ann, 'shelf').unread).toBe(0);
  bob.say('shelf', 'one');
  ann.say('shelf', 'mine');
  bob.say('shelf', 'two');
  await waitFor('two are unread', () => roomOf(ann, 'shelf').unread === 2);
  ann.watch('shelf');
  expect(roomOf(ann, 'shelf').unread).toBe(0);
});

test('text is passed on as it is, also what looks like markup, and 60 KB of it', async () => {
  const ann = openChat({
    addresses: [fleet.url(0)],
    user: '<b>ann</b> \u202e\u{1f600}',
  });
  const texts = [
    '<img src=x onerror=alert(1)>',
    '\u202eright to left',
    '👨‍👩‍👧',
    'x'.repeat(60_000),
    '',
  ];

  ann.join('<script>');
  for (const text of texts) ann.say('<script>', text);
  await waitLines(ann, '<script>', texts);
});

test('what no gateway would read is refused before it is sent', async () => {
  const ann = openChat({ addresses: [fleet.url(0)], user: 'ann' });

  ann.join('size');
  await waitLive(ann, 'size');
  expect(ann.say('size', 'x'.repeat(70_000))).toMatchObject({
    state: 'failed',
    error: 'too_large',
  });
  ann.say('size', 'still here');
  await waitLines(ann, 'size', ['still here']);
});

test('a kick ends the room, with its reason; the other rooms stay', async () => {
  const ann = openChat({ addresses: [fleet.url(0)], user: 'ann' });

  ann.join('bar');
  ann.join('home');
  await waitLive(ann, 'bar');
  await waitLive(ann, 'home');
  await fleet.ask('POST', '/rooms/bar/kick/ann', { reason: 'spam' });
  await waitFor('ann is told', () => roomOf(ann, 'bar').phase === 'ended');
  expect(roomOf(ann, 'bar').end).toMatchObject({ why: 'kicked', reason: 'spam' });
  ann.say('home', 'still here');
  await waitLines(ann, 'home', ['still here']);
  ann.join('bar');
  await waitLive(ann, 'bar');
});

test('a ban is told with the time it lasts, a mute fails the message', async () => {
  const ann = openChat({ addresses: [fleet.url(0)], user: 'ann' });

  await fleet.ask('POST', '/rooms/vault/ban/ann', { secs: 600 });
  ann.join('vault');
  await waitFor('ann is refused', () => roomOf(ann, 'vault').phase === 'ended');
  expect(roomOf(ann, 'vault').end?.why).toBe('banned');
  expect(roomOf(ann, 'vault').end?.until).toBeGreaterThan(Date.now());

  ann.join('choir');
  await waitLive(ann, 'choir');
  await fleet.ask('POST', '/rooms/choir/mute/ann', { secs: 0 });
  ann.say('choir', 'la');
  await waitFor('it failed', () => roomOf(ann, 'choir').unsent[0]?.error === 'muted');
  await fleet.ask('DELETE', '/rooms/choir/mute/ann');
  ann.sayAgain('choir', roomOf(ann, 'choir').unsent[0]?.key ?? '');
  await waitLines(ann, 'choir', ['la']);
});

test('a deleted message is gone, and a closed room is told', async () => {
  const ann = openChat({ addresses: [fleet.url(0)], user: 'ann' });

  ann.join('wall');
  ann.say('wall', 'one');
  ann.say('wall', 'two');
  await waitLines(ann, 'wall', ['one', 'two']);
  await fleet.ask('DELETE', '/rooms/wall/messages/1');
  await waitLines(ann, 'wall', ['deleted', 'two']);
  await fleet.ask('POST', '/rooms/wall/close', { reason: 'late' });
  await waitFor('ann is told', () => roomOf(ann, 'wall').phase === 'ended');
  expect(roomOf(ann, 'wall').end).toMatchObject({ why: 'room_closed', reason: 'late' });
});

test('a client that is woken again and again keeps its connection', async () => {
  const ann = openChat({ addresses: fleet.urls(), user: 'ann' });
  const states = new Set<string>();

  ann.join('bed');
  await waitLive(ann, 'bed');
  ann.subscribe(() => states.add(ann.snapshot().connection.state));
  for (let i = 0; i < 5; i++) ann.wake();
  ann.say('bed', 'awake');
  await waitLines(ann, 'bed', ['awake']);
  expect([...states]).toEqual(['open']);
});

test('4503 ends it for good', async () => {
  const ann = openChat({ addresses: fleet.urls(), user: 'unwanted' });

  ann.join('gate');
  await waitLive(ann, 'gate');
  await fleet.ask('POST', '/users/unwanted/disconnect');
  await waitFor('it ended', () => ann.snapshot().connection.state === 'ended');
  expect(ann.snapshot().connection.code).toBe(4503);
});
