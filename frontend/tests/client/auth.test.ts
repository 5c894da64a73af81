// The client where the fleet asks for tokens: a token that is given, one that is got each
// time, its end, and gateways that go away meanwhile.

import { createHmac } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import type { WireEvent } from '../../src/client';
import { closeChats, linesOf, openChat, waitLines, waitLive } from '../support/chat';
import { fleetOfFile } from '../support/fleet';
import { waitFor } from '../support/wait';

const SECRET = 'the secret of the tests, of 32 bytes and more';
const fleet = fleetOfFile({
  ROOMCAST_AUTH: 'jwt',
  ROOMCAST_JWT_SECRET: SECRET,
  ROOMCAST_JWT_LEEWAY_SECS: '0',
  ROOMCAST_DEFAULT_RIGHTS: 'rw',
});

afterEach(closeChats);

const encode = (text: string) => Buffer.from(text).toString('base64url');

function sign(user: string, secs: number, secret = SECRET): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = { aud: 'roomcast', sub: user, iat: now, exp: now + secs };
  const body = `${encode('{"alg":"HS256"}')}.${encode(JSON.stringify(claims))}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

test('with a token one comes in, and back when a gateway dies', async () => {
  const ann = openChat({
    addresses: fleet.urls(),
    user: 'ann',
    token: sign('ann', 3600),
  });
  const bob = openChat({
    addresses: [fleet.url(1)],
    user: 'bob',
    token: async () => sign('bob', 3600),
  });

  ann.join('lobby');
  bob.join('lobby');
  await waitLive(ann, 'lobby');
  await waitLive(bob, 'lobby');
  ann.say('lobby', 'one');
  await waitLines(bob, 'lobby', ['one']);
  await fleet.restartGateway(0);
  ann.say('lobby', 'two');
  await waitLines(bob, 'lobby', ['one', 'two']);
  await waitLines(ann, 'lobby', ['one', 'two']);
});

test('a new token is got before the old one ends, and nothing is missed', async () => {
  const asked: number[] = [];
  const kinds: string[] = [];
  const ann = openChat({
    addresses: [fleet.url(0)],
    user: 'ann',
    token: () => {
      asked.push(Date.now());
      return sign('ann', asked.length < 3 ? 2 : 3600);
    },
    onEvent: ({ type }: WireEvent) => kinds.push(type),
  });
  const bob = openChat({
    addresses: [fleet.url(1)],
    user: 'bob',
    token: sign('bob', 3600),
  });
  const said: string[] = [];

  ann.join('long');
  bob.join('long');
  await waitLive(ann, 'long');
  await waitLive(bob, 'long');
  while (asked.length < 3 || kinds.filter((kind) => kind === 'auth_ack').length < 3) {
    bob.say('long', `${said.length}`);
    said.push(`${said.length}`);
    await new Promise((done) => setTimeout(done, 20));
  }
  await waitLines(ann, 'long', said);
  expect(kinds.filter((kind) => kind === 'join_ack')).toHaveLength(1); // never lost
});

test('a token that ends and is the only one ends the client, with its code', async () => {
  const ann = openChat({
    addresses: [fleet.url(0)],
    user: 'ann',
    token: sign('ann', 2),
  });

  ann.join('short');
  await waitLive(ann, 'short');
  await waitFor('it has ended', () => ann.snapshot().connection.state === 'ended');
  expect(ann.snapshot().connection.code).toBe(4501);
});

test('one that is no good is not tried again', async () => {
  let asked = 0;
  const ann = openChat({
    addresses: [fleet.url(0)],
    user: 'ann',
    token: () => {
      asked++;
      return sign('ann', 60, 'another secret, of 32 bytes and more');
    },
  });

  await waitFor('it has ended', () => ann.snapshot().connection.state === 'ended');
  expect(ann.snapshot().connection.code).toBe(4500);
  expect(asked).toBe(1);
});

test('a token that cannot be had is asked for again', async () => {
  let asked = 0;
  const ann = openChat({
    addresses: [fleet.url(0)],
    user: 'ann',
    token: async () => {
      asked++;
      if (asked < 3) throw new Error('the provider is away');
      return sign('ann', asked === 3 ? -5 : 60); // and then one that has expired
    },
  });

  ann.join('late');
  await waitLive(ann, 'late');
  expect(asked).toBe(4);
  ann.say('late', 'here');
  await waitFor('it is heard', () => linesOf(ann, 'late').includes('here'));
});
