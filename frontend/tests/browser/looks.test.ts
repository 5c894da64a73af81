// Every view with something in it: light and dark, from 360 to 1920 pixels. Pictures are kept
// in build/console; axe finds nothing serious, nothing sticks out, nothing jumps.

import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  enterChat,
  fitsSideways,
  goTo,
  lookAt,
  openBrowser,
  openPage,
  shiftOf,
  shoot,
  signIn,
  type View,
} from '../support/browser';
import { closeChats, openChat, waitLines, waitLive } from '../support/chat';
import { fleetOfFile } from '../support/fleet';
import { waitFor } from '../support/wait';

const WIDTHS = [360, 768, 1024, 1920];
const TALK: [user: string, text: string][] = [
  ['ann', 'Good morning! Is the kettle on?'],
  ['bob', 'Since five minutes ago. Earl Grey or the smoky one?'],
  ['chloé', 'The smoky one, please ☕'],
  [
    'dmitri',
    'I bring the biscuits. The release is out, by the way: no complaints so far.',
  ],
  ['ann', 'Then we have earned them.'],
  ['مريم', 'صباح الخير! تركت لكم بعض التمر على الطاولة'],
  ['bob', 'Here is the table of who brings what:\n  Monday   ann\n  Tuesday  chloé'],
];
const ROOMS = ['lobby', 'support', 'release 0.1', 'garden party', 'déjà vu', '茶の間'];

const fleet = fleetOfFile();
let browser: Browser;
let view: View;
let page: Page;

beforeAll(async () => {
  browser = await openBrowser();
  await fillRooms();
  view = await openPage(browser, fleet.console());
  page = view.page;
  await signIn(page);
});
afterEach(() => {
  expect(view.problems).toEqual([]);
});
afterAll(async () => {
  closeChats();
  await browser?.close();
});

async function fillRooms() {
  const names = [...new Set(TALK.map(([user]) => user))];
  const users = new Map(
    names.map((user, i) => [
      user,
      openChat({ addresses: fleet.urls(), first: i % 2, user }),
    ]),
  );
  const said: string[] = [];
  const clients = [...users.values()];

  for (const client of clients) client.join('tea time');
  for (const client of clients) await waitLive(client, 'tea time');
  for (const [user, text] of TALK) {
    users.get(user)?.say('tea time', text);
    said.push(text);
    for (const client of clients) await waitLines(client, 'tea time', said);
  }
  for (const [i, room] of ROOMS.entries())
    for (const client of clients.slice(0, i % 5)) client.join(room);
  const passing = openChat({ addresses: fleet.urls(), user: 'passing' });
  passing.join('empty room');
  await waitLive(passing, 'empty room');
  passing.leave('empty room');
  passing.close();
}

async function check(name: string) {
  expect(await lookAt(page, name)).toEqual([]);
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    await waitFor(`${name} fits into ${width} pixels`, () => fitsSideways(page));
    await shoot(page, `${name}-${width}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

test('the overview', async () => {
  await page
    .getByRole('region', { name: 'People online' })
    .getByText('5', { exact: true })
    .waitFor();
  await page.getByLabel('1 h', { exact: true }).check();
  await page.getByLabel('15 min', { exact: true }).check();
  await check('overview');
});

test('the rooms', async () => {
  await goTo(page, 'Rooms');
  await page.getByRole('link', { name: 'empty room' }).waitFor();
  await page.getByRole('button', { name: 'Members' }).click();
  await waitFor(
    'the fullest is first',
    async () =>
      (await page.locator('tbody .name').first().textContent()) === 'tea time',
  );
  await check('rooms');
  await page.getByLabel(/^Search rooms/).fill('tea');
  await waitFor(
    'one is found',
    async () => (await page.locator('tbody tr').count()) === 1,
  );
  await page.getByLabel(/^Search rooms/).fill('nothing like it');
  await page.getByText('No room has this in its name').waitFor();
  await page.getByLabel(/^Search rooms/).fill('');
});

test('a room', async () => {
  await page.getByRole('link', { name: 'tea time' }).click();
  await page.getByText('Then we have earned them.').waitFor();
  await page.getByRole('button', { name: 'Mute a name' }).click();
  await page.getByLabel('User', { exact: true }).fill('loud one');
  await page
    .getByRole('dialog')
    .getByRole('button', { name: 'Mute', exact: true })
    .click();
  await page.getByRole('region', { name: 'Mutes' }).getByText('loud one').waitFor();
  await page.getByRole('button', { name: 'Dismiss' }).click();
  await check('room-full');
});

test('the gateways, the trail, and the chat', async () => {
  await goTo(page, 'Gateways');
  await page.getByText('ready').first().waitFor();
  await check('gateways-well');
  await goTo(page, 'Shards');
  await page.getByText('answers').waitFor();
  await check('shards');
  await goTo(page, 'Audit trail');
  await page.getByText('loud one').waitFor();
  await check('trail');
  await goTo(page, 'Chat');
  await enterChat(page, 'maria', 'tea time', 0);
  await page.getByText('Then we have earned them.').waitFor();
  await page.getByRole('region', { name: 'Members' }).getByText('maria').waitFor();
  await page.getByLabel('Room to join').fill('lobby');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: /^tea time/ }).click();
  await page.getByText('Then we have earned them.').waitFor();
  await check('chat-full');
  await page.setViewportSize({ width: 360, height: 740 });
  await page.getByRole('button', { name: '6 in it' }).click();
  await page.getByRole('dialog').getByText('dmitri').waitFor();
  await shoot(page, 'chat-people-360');
});

test('a page that loads does not jump', async () => {
  for (const place of [
    'overview',
    'rooms',
    `rooms/${encodeURIComponent('tea time')}`,
    'gateways',
  ]) {
    const fresh = await openPage(browser, fleet.console());
    await signIn(fresh.page);
    await fresh.page.goto(`${fleet.console()}#/${place}`);
    await fresh.page.reload();
    await fresh.page.getByText('All is well').waitFor();
    await fresh.page
      .getByText(/Latest actions|tea time|ready/)
      .first()
      .waitFor();
    expect([place, (await shiftOf(fresh.page)) < 0.1]).toEqual([place, true]);
    await fresh.page.context().close();
  }
});
