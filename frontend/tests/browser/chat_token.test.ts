// The chat page where the fleet asks for tokens, in a real browser: an operator who may make tokens
// talks, everybody else is told why not.

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  enterChat,
  openBrowser,
  openPage,
  say,
  signIn,
  textsOf,
} from '../support/browser';
import { fleetOfFile } from '../support/fleet';
import { waitFor } from '../support/wait';

const fleet = fleetOfFile({
  ROOMCAST_AUTH: 'jwt',
  ROOMCAST_JWT_SECRET: 'the secret of this test, of thirty-two bytes',
});
let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser?.close());

test('an operator who may make tokens talks', async () => {
  const { page, problems } = await openPage(browser, fleet.console());

  await signIn(page);
  await page.goto(`${fleet.console()}#/chat`);
  await enterChat(page, 'ann', 'lobby', 0);
  await page.getByText(`Connected to 127.0.0.1:${fleet.port(0)}`).waitFor();

  await say(page, 'proven');
  await waitFor('it is said', async () => (await textsOf(page)).includes('proven'));
  const trail = (await fleet.ask('GET', '/audit?limit=1')) as {
    entries: { what: string; user: string }[];
  };
  expect(trail.entries[0]).toMatchObject({ what: 'token', user: 'ann' });
  expect(problems).toEqual([]);
});

test('somebody who is not signed in is told that this is needed', async () => {
  const { page } = await openPage(browser, `${fleet.console()}#/chat`);

  await enterChat(page, 'bob', 'lobby', 0);
  await page.getByText('Your sign-in is not accepted here.').waitFor();
  expect(await page.getByRole('link', { name: 'Watch the rooms' }).count()).toBe(0);
});
