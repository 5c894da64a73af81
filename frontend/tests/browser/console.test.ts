// The console as an operator uses it, in a real browser against a real fleet: Redis, two
// gateways and the admin service.

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  enterChat,
  goTo,
  lookAt,
  openBrowser,
  openPage,
  PATIENCE_MS,
  say,
  signIn,
  textsOf,
  type View,
} from '../support/browser';
import { closeChats, isSettled, openChat, waitLive } from '../support/chat';
import { fleetOfFile } from '../support/fleet';
import { waitFor } from '../support/wait';

const fleet = fleetOfFile({
  ROOMCAST_ROOM_TTL_SECS: '9',
  ROOMCAST_PRESENCE_GRACE_MS: '200',
  ROOMCAST_DRAIN_SECS: '30',
  ROOMCAST_HISTORY_LIMIT: '150',
});
let browser: Browser;
let operator: View;
let ann: View;
let bob: View;
const faults: string[] = [];

beforeAll(async () => {
  browser = await openBrowser();
  operator = await openPage(browser, fleet.console());
});
afterAll(async () => {
  closeChats();
  await browser?.close();
});

/** A guest who does not leave when a gateway asks for it. */
function stayOn(url: string, room: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  return new Promise((resolve, reject) => {
    socket.onerror = () => reject(new Error('no connection'));
    socket.onopen = () =>
      socket.send(JSON.stringify({ type: 'join', room, user: 'guest' }));
    socket.onmessage = () => resolve(socket);
  });
}

test('a wrong token is refused, the right one shows an empty fleet', async () => {
  const { page } = operator;

  await page.getByLabel('Token of the admin service').fill('wrong');
  faults.push(...(await lookAt(page, 'sign-in')));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('This token is not the right one.').waitFor();
  await signIn(page);
  await page.getByText('All is well').waitFor();
  await goTo(page, 'Rooms');
  await page.getByText('There are no rooms').waitFor();
  await goTo(page, 'Audit trail');
  await page.getByText('Nobody has done anything yet').waitFor();
});

test('two who chat appear', async () => {
  const { page } = operator;

  ann = await openPage(browser, `${fleet.console()}#/chat`);
  bob = await openPage(browser, `${fleet.console()}#/chat`);
  await enterChat(ann.page, 'ann', 'lobby', 0);
  await enterChat(bob.page, 'bob', 'lobby', 1);
  await say(ann.page, 'hello bob');
  await bob.page.getByText('hello bob').waitFor();
  await say(bob.page, 'hello ann');
  await ann.page.getByText('hello ann').waitFor();
  await goTo(page, 'Overview');
  const online = page.getByRole('region', { name: 'People online' });
  await online.getByText('2', { exact: true }).waitFor();
  await goTo(page, 'Rooms');
  await page.getByRole('link', { name: 'lobby' }).click();
  await page.getByRole('region', { name: 'Members' }).getByText('bob').waitFor();
  await page
    .getByRole('region', { name: 'Conversation' })
    .getByText('hello ann')
    .waitFor();
});

test('what is said is seen live, deleted, and answered as the server', async () => {
  const { page } = operator;
  const talk = page.getByRole('region', { name: 'Conversation' });

  await say(ann.page, 'something rude');
  await talk.getByText('something rude').waitFor();
  await page.getByRole('button', { name: 'Delete message 3 of ann' }).click();
  await bob.page.getByText('A moderator deleted this message').waitFor();
  expect(await textsOf(bob.page)).not.toContain('something rude');
  await page.getByLabel('Post as the server').fill('be nice');
  await page.getByRole('button', { name: 'Post' }).click();
  await ann.page.getByText('be nice').waitFor();
  await talk.getByText('be nice').waitFor();
});

test('a mute, its lifting, a kick and a ban reach the one they are about', async () => {
  const { page } = operator;
  const mutes = page.getByRole('region', { name: 'Mutes' });

  await page.getByRole('button', { name: 'Mute bob' }).click();
  await page.getByLabel('For how long').selectOption('For good');
  faults.push(...(await lookAt(page, 'mute')));
  await page
    .getByRole('dialog')
    .getByRole('button', { name: 'Mute', exact: true })
    .click();
  await mutes.getByText('for good').waitFor();
  await say(bob.page, 'can you hear me?');
  await bob.page.getByText('not sent: you are muted here').waitFor();
  await mutes.getByRole('button', { name: 'Lift the mute of bob' }).click();
  await mutes.getByText('None.').waitFor();
  await bob.page.getByRole('button', { name: 'Send again' }).click();
  await ann.page.getByText('can you hear me?').waitFor();

  await page.getByRole('button', { name: 'Kick bob' }).click();
  await page.getByLabel(/^Reason/).fill('spam');
  await page
    .getByRole('dialog')
    .getByRole('button', { name: 'Kick', exact: true })
    .click();
  await bob.page.getByText('You were put out of this room: spam').waitFor();
  await bob.page.getByRole('button', { name: 'Join again' }).click();
  await page.getByRole('region', { name: 'Members' }).getByText('bob').waitFor();

  await page.getByRole('button', { name: 'Ban bob' }).click();
  await page
    .getByRole('dialog')
    .getByRole('button', { name: 'Ban', exact: true })
    .click();
  await page.getByRole('region', { name: 'Bans' }).getByText('bob').waitFor();
  await bob.page.getByRole('button', { name: 'Join again' }).click();
  await bob.page.getByText(/You are banned from this room for another/).waitFor();
  await page.getByRole('button', { name: 'Lift the ban of bob' }).click();
  await page.getByRole('region', { name: 'Bans' }).getByText('None.').waitFor();
  faults.push(...(await lookAt(page, 'room')));
});

test('a room is closed after a question that names it and how many are in it', async () => {
  const { page } = operator;

  await page.getByRole('button', { name: 'Close room' }).click();
  await page.getByRole('dialog').getByText('1 person', { exact: true }).waitFor();
  await page.getByRole('dialog').getByText('lobby').waitFor();
  faults.push(...(await lookAt(page, 'close')));
  await page.getByRole('button', { name: 'Close for 1 person' }).click();
  await ann.page.getByText('This room was closed').waitFor();
  await page.getByText('There is no such room').waitFor();
  await goTo(page, 'Audit trail');
  await page.getByText('María').first().waitFor();
  faults.push(...(await lookAt(page, 'audit')));
});

test('a countdown reaches zero, and the room goes', async () => {
  const { page } = operator;

  await ann.page.getByRole('button', { name: 'Join again' }).click();
  await goTo(page, 'Rooms');
  const row = page.getByRole('row').filter({ hasText: 'lobby' });
  await row.waitFor();
  await ann.page.getByRole('button', { name: 'Leave lobby' }).click();
  const seen = new Set<string>();
  await waitFor('the room is gone', async () => {
    if ((await row.count()) === 0) return true;
    seen.add(await row.locator('.expires').innerText({ timeout: 1000 }));
    return false;
  });
  const seconds = [...seen].filter((text) => /^0:0[0-9]$/.test(text));
  expect(seconds.length).toBeGreaterThan(1);
  expect([...seconds].sort().reverse()).toEqual(seconds);
});

test('a gateway that is killed is marked', async () => {
  const { page } = operator;

  await goTo(page, 'Gateways');
  const row = page.getByRole('row').filter({ hasText: `:${fleet.port(1)}` });
  await row.getByText('ready').waitFor();
  await fleet.killGateway(1);
  await row.getByText(/lost at/).waitFor();
  await page.getByRole('status', { name: 'Health' }).getByText('1 not well').waitFor();
  faults.push(...(await lookAt(page, 'gateways')));
  await goTo(page, 'Overview');
  await page.getByText(/lost at/).waitFor();
  faults.push(...(await lookAt(page, 'overview-lost')));
  await fleet.startGateway(1);
  await page.getByRole('status', { name: 'Health' }).getByText('All is well').waitFor();
});

test('a gateway that drains is marked, and is not missed when it has gone', async () => {
  const { page } = operator;

  await goTo(page, 'Gateways');
  const row = page.getByRole('row').filter({ hasText: `:${fleet.port(1)}` });
  await row.getByText('ready').waitFor();
  const stubborn = await Promise.all(
    Array.from({ length: 10 }, () => stayOn(fleet.url(1), 'draining')),
  );
  fleet.drainGateway(1);
  await row.getByText('draining').waitFor();
  faults.push(...(await lookAt(page, 'gateways-draining')));
  for (const socket of stubborn) socket.close();
  await row.waitFor({ state: 'detached' });
  await page.getByRole('status', { name: 'Health' }).getByText('All is well').waitFor();
  await fleet.startGateway(1);
});

test('a long history is read back page by page', async () => {
  const { page } = operator;
  const guest = openChat({ addresses: fleet.urls(), user: 'guest' });

  guest.join('long');
  for (let i = 1; i <= 120; i++) guest.say('long', `line ${i}.`);
  await waitFor('all is said', () => isSettled(guest, 'long'));
  await page.goto(`${fleet.console()}#/rooms/long`);
  await page.getByText('line 120.').waitFor();
  expect(await page.getByText('line 20.').count()).toBe(0);
  await page.getByRole('button', { name: 'Older' }).click();
  await page.getByText('line 1.', { exact: true }).waitFor();
  expect(await page.locator('.messages .text').count()).toBe(120);
  guest.say('long', 'and live');
  await page.getByText('and live').waitFor();
});

test('many rooms are paged through', async () => {
  const { page } = operator;
  const guest = openChat({ addresses: fleet.urls(), user: 'guest' });
  const rooms = Array.from({ length: 30 }, (_, i) => `hall ${i + 1}`);

  for (const room of rooms) guest.join(room);
  for (const room of rooms) await waitLive(guest, room);
  await goTo(page, 'Rooms');
  const total = page.locator('.view-title .number').first(); // none of a search
  await page.getByLabel(/^Search rooms/).fill('hall');
  await waitFor(
    'a page of the search is full',
    async () =>
      (await total.textContent()) === '' &&
      (await page.locator('tbody tr').count()) >= 25,
  );
  await page.getByLabel(/^Search rooms/).fill('');
  await waitFor('all are listed', async () => (await total.textContent()) !== '');
  const first = await page.locator('tbody .name').allTextContents();
  expect(first.length).toBe(25);
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByText('Page 2').waitFor();
  await waitFor('the rest is there', async () => {
    const rest = await page.locator('tbody .name').allTextContents();
    return rest.length >= 5 && rest.every((name) => !first.includes(name));
  });
  await page.getByRole('button', { name: 'Back' }).click();
  await waitFor(
    'it is the first page',
    async () => (await page.locator('tbody tr').count()) === 25,
  );
  guest.close();
});

test('while Redis is away the console says so, and comes back by itself', async () => {
  const { page } = operator;
  const health = page.getByRole('status', { name: 'Health' });

  await goTo(page, 'Rooms');
  await fleet.killRedis();
  await health.getByText('Redis is away').waitFor();
  await page.getByText(/Not up to date since|Redis cannot be reached/).waitFor();
  faults.push(...(await lookAt(page, 'rooms-redis-away')));
  await fleet.startRedis();
  await health.getByText(/All is well|not well/).waitFor();
  await page
    .getByText(/Not up to date since|Redis cannot be reached/)
    .waitFor({ state: 'detached' });
});

test('while the service is away the console says so, and comes back by itself', async () => {
  const { page } = operator;
  const health = page.getByRole('status', { name: 'Health' });

  await fleet.killAdmin();
  await health.getByText('No answer, retrying').waitFor();
  for (const [view, words] of [
    ['Gateways', 'Not up to date'],
    ['Audit trail', 'The service does not answer'],
    ['Overview', 'The service does not answer'],
    ['Chat', 'The service does not answer'],
    ['Rooms', 'The service does not answer'],
  ] as const) {
    await goTo(page, view);
    await page.getByText(words).first().waitFor();
    faults.push(
      ...(await lookAt(page, `offline-${view.toLowerCase().replace(' ', '-')}`)),
    );
  }
  await fleet.startAdmin();
  await health.getByText(/All is well|not well/).waitFor();
});

test('a token that is not valid any more signs out', async () => {
  const { page } = operator;

  await page.route('**/api/rooms?*', (route) =>
    route.fulfill({
      status: 401,
      contentType: 'application/json',
      body: '{"error":{"code":"unauthorized","message":""}}',
    }),
  );
  await page.getByText('You were signed out').waitFor({ timeout: PATIENCE_MS });
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
});

test('nothing serious was found by axe, and nothing odd was logged or loaded', () => {
  expect(faults).toEqual([]);
  expect([operator, ann, bob].flatMap(({ problems }) => problems)).toEqual([]);
});
