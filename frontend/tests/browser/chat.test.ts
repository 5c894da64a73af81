// The chat as end users have it: browsers on different gateways, what breaks, and what is
// shown of it.

import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  enterChat,
  fitsSideways,
  lookAt,
  openBrowser,
  openPage,
  say,
  shoot,
  signIn,
  textsOf,
  type View,
} from '../support/browser';
import { fleetOfFile } from '../support/fleet';
import { waitFor } from '../support/wait';

const fleet = fleetOfFile();
let browser: Browser;
let views: View[] = [];

beforeAll(async () => {
  browser = await openBrowser();
});
afterEach(async () => {
  expect(views.flatMap(({ problems }) => problems)).toEqual([]);
  await Promise.all(views.map(({ page }) => page.context().close()));
  views = [];
});
afterAll(async () => {
  await browser?.close();
});

async function enter(
  user: string,
  room: string,
  gateway: number,
  size = { width: 1280, height: 800 },
) {
  const view = await openPage(browser, `${fleet.console()}#/chat`, size);
  views.push(view);
  await enterChat(view.page, user, room, gateway);
  await view.page.getByText(`Connected to 127.0.0.1:${fleet.port(gateway)}`).waitFor();
  return view.page;
}

async function waitTexts(page: View['page'], texts: string[]) {
  await waitFor('the conversation is as expected', async () => {
    const seen = await textsOf(page);
    const pending = await page.locator('.pending').count();
    if (pending === 0 && JSON.stringify(seen) === JSON.stringify(texts)) return true;
    throw new Error(`${pending} pending, it is ${JSON.stringify(seen)}`);
  });
}

test('two browsers on two gateways stay unbroken while one gateway is killed', async () => {
  const ann = await enter('ann', 'storm', 0);
  const bob = await enter('bob', 'storm', 1);
  const said: string[] = [];
  const both = async (from: number, to: number) => {
    for (let i = from; i <= to; i++) {
      await say(ann, `ann ${i}`);
      said.push(`ann ${i}`);
    }
  };

  await both(1, 5);
  await waitTexts(bob, said);
  await fleet.killGateway(0);
  await both(6, 10);
  await ann.getByText(`Connected to 127.0.0.1:${fleet.port(1)}`).waitFor();
  await both(11, 15);
  await waitTexts(ann, said);
  await waitTexts(bob, said);
  await say(bob, 'all there');
  await waitTexts(ann, [...said, 'all there']);
  await bob.getByRole('region', { name: 'Members' }).getByText('ann').waitFor();
  await fleet.startGateway(0);
});

test('while no gateway is there, the page says so and keeps what is written', async () => {
  const ann = await enter('ann', 'dark', 0);

  await say(ann, 'before');
  await waitTexts(ann, ['before']);
  await fleet.killGateway(0);
  await fleet.killGateway(1);
  await ann.getByText(/^Reconnecting/).waitFor();
  await say(ann, 'meanwhile');
  await ann.getByText('waits to be sent').waitFor();
  expect(await lookAt(ann, 'chat-reconnecting')).toEqual([]);
  await Promise.all([fleet.startGateway(0), fleet.startGateway(1)]);
  await waitTexts(ann, ['before', 'meanwhile']);
});

test('a Redis that lost everything is shown as a reset', async () => {
  const ann = await enter('ann', 'ashes', 0);

  await say(ann, 'before');
  await waitTexts(ann, ['before']);
  await fleet.killRedis();
  await ann.getByText(/^Redis is away/).waitFor();
  await fleet.forgetRedis();
  await fleet.startRedis();
  await ann.getByText(/^The room was recreated/).waitFor();
  await say(ann, 'after');
  await ann.getByText('after', { exact: true }).waitFor();
});

test('several rooms: what is unread is counted, who writes is shown, a reload goes on', async () => {
  const ann = await enter('ann', 'kitchen', 0);
  const bob = await enter('bob', 'kitchen', 1);

  await ann.getByLabel('Room to join').fill('garden');
  await ann.keyboard.press('Enter');
  await ann.getByRole('heading', { level: 2, name: 'garden' }).waitFor();
  await say(bob, 'one');
  await say(bob, 'two');
  await ann.getByRole('button', { name: /kitchen.*2 unread/ }).click();
  await ann.getByText('two', { exact: true }).waitFor();
  await waitFor('it is read', async () => (await ann.locator('.unread').count()) === 0);
  await bob.getByLabel(/^Message to/).pressSequentially('thinking');
  await ann.getByText('bob is writing…').waitFor();
  expect(await lookAt(ann, 'chat')).toEqual([]);
  await ann.reload();
  await ann.getByRole('button', { name: /^garden/ }).waitFor();
  await waitTexts(ann, ['one', 'two']);
});

test('text is text, whatever is in it, and nothing sticks out at any width', async () => {
  const name = '<b>x</b>\u202e\u{1f600}';
  const room = '../<i>a.b?#&%2e';
  const texts = [
    '<img src=x onerror="document.title=1"><script>document.title=1</script>',
    '\u202eright to left, and مرحبا بكم',
    '👨‍👩‍👧‍👦 '.repeat(40).trim(),
    'x'.repeat(4096),
    'two\nlines',
  ];
  const ann = await enter(name, room, 0, { width: 360, height: 740 });
  const operator = await openPage(browser, `${fleet.console()}#/rooms`);
  views.push(operator);

  for (const text of texts) await say(ann, text);
  await waitTexts(ann, texts);
  expect(await ann.title()).toBe('Chat · roomcast');
  expect(await ann.locator('.messages img, .messages script').count()).toBe(0);
  await shoot(ann, 'chat-360');
  await signIn(operator.page);
  await operator.page.getByRole('link', { name: room }).click();
  await operator.page
    .getByRole('region', { name: 'Conversation' })
    .getByText('two')
    .waitFor();
  await operator.page
    .getByRole('region', { name: 'Members' })
    .getByText(name)
    .waitFor();
  for (const width of [360, 600, 900, 1280, 1920]) {
    await operator.page.setViewportSize({ width, height: 900 });
    await ann.setViewportSize({ width, height: 740 });
    await waitFor(
      `nothing sticks out at ${width}`,
      async () => (await fitsSideways(operator.page)) && (await fitsSideways(ann)),
    );
    await shoot(operator.page, `room-${width}`);
  }
});

test('a room and a user whose names are no path can be acted upon', async () => {
  const dot = await enter('.', '..', 0);
  const operator = await openPage(browser, `${fleet.console()}#/rooms/..`);
  views.push(operator);

  await signIn(operator.page);
  await operator.page.getByLabel('Post as the server').fill('hello, dot');
  await operator.page.getByRole('button', { name: 'Post' }).click();
  await waitTexts(dot, ['hello, dot']);
  await operator.page.getByRole('button', { name: 'Kick .' }).click();
  await operator.page
    .getByRole('dialog')
    .getByRole('button', { name: 'Kick', exact: true })
    .click();
  await dot.getByText('You were put out of this room').waitFor();
});

test('all of it can be done with the keyboard', async () => {
  await enter('ann', 'desk', 0);
  const { page, problems } = await openPage(browser, fleet.console());
  views.push({ page, problems });

  await signIn(page);
  await page.keyboard.press('Tab');
  await page.getByRole('button', { name: 'Skip to content' }).press('Enter');
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
  await page.getByRole('link', { name: 'Rooms' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Rooms' }).waitFor();
  await page.getByRole('button', { name: 'Close desk' }).press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Close the room?' });
  await dialog.waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  expect(await page.evaluate(() => document.activeElement?.ariaLabel)).toBe(
    'Close desk',
  );
  await page.getByRole('button', { name: 'Close desk' }).press('Enter');
  // Disabled, and thus never focused, until the dialog knows how many are in the room.
  await dialog.getByRole('button', { name: 'Close for 1 person' }).press('Enter');
  await dialog.waitFor({ state: 'detached' });
  await page.getByText(/^desk is closed/).waitFor();
});
