// Signing in to the console by an OpenID provider, in a real browser, and what each role is shown.

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { goTo, lookAt, openBrowser, openPage, signIn } from '../support/browser';
import { closeChats, openChat, waitLive } from '../support/chat';
import { fleetOfFile } from '../support/fleet';
import { Provider } from '../support/provider';
import { waitFor } from '../support/wait';

const provider = await Provider.start();
const fleet = fleetOfFile({
  ROOMCAST_OIDC_ISSUER: provider.url,
  ROOMCAST_OIDC_CLIENT_ID: 'console',
  ROOMCAST_OIDC_CLIENT_SECRET: "the client's: 100%",
  ROOMCAST_OIDC_REDIRECT_URL: 'http://127.0.0.1:{port}/oidc/callback',
  ROOMCAST_OIDC_ADMIN: 'ops',
  ROOMCAST_OIDC_MODERATOR: 'mods',
  ROOMCAST_OIDC_VIEWER: 'staff',
});
let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
  await waitFor('the admin service knows the provider', async () => {
    const challenge = 'A'.repeat(43);
    const answer = await fetch(`${fleet.console()}oidc/login?challenge=${challenge}`, {
      redirect: 'manual',
    });
    return answer.status === 302;
  });
  const ann = openChat({ addresses: fleet.urls(), user: 'ann' });
  ann.join('lobby');
  await waitLive(ann, 'lobby');
});
afterAll(async () => {
  closeChats();
  await browser?.close();
  await provider.stop();
});

const button = (page: Page, name: string) => page.getByRole('button', { name });

async function enter(page: Page): Promise<void> {
  await button(page, 'Continue with single sign-on').click();
  await page.getByRole('status', { name: 'Health' }).waitFor();
}

async function openLobby(page: Page): Promise<void> {
  await goTo(page, 'Rooms');
  await page.getByRole('link', { name: 'lobby' }).click();
  await page.getByRole('region', { name: 'Members' }).getByText('ann').waitFor();
}

test('a login comes back with a name and a role, and no code in the address', async () => {
  const { page, problems } = await openPage(browser, fleet.console());

  await button(page, 'Continue with single sign-on').waitFor();
  expect(await lookAt(page, 'sign-in-provider')).toEqual([]);
  await enter(page);
  await page.getByText('oidc:ann@example.org').waitFor();
  expect(page.url()).not.toContain('login');
  await openLobby(page);
  await button(page, 'Close room').waitFor();
  await button(page, 'Kick ann').waitFor();
  expect(await lookAt(page, 'room-signed-in')).toEqual([]);
  await page.reload();
  await page.getByText('oidc:ann@example.org').waitFor();
  expect(problems).toEqual([]);
});

test('signing out ends the token as well', async () => {
  const { page } = await openPage(browser, fleet.console());

  await enter(page);
  const token = await page.evaluate(
    () => JSON.parse(sessionStorage.getItem('roomcast.session') ?? '{}').token,
  );
  const ask = () =>
    fetch(`${fleet.console()}api/session`, {
      headers: { authorization: `Bearer ${token}` },
    });
  expect((await ask()).status).toBe(200);
  await button(page, 'Sign out').click();
  await button(page, 'Continue with single sign-on').waitFor();
  await waitFor('the token has ended', async () => (await ask()).status === 401);
});

test('a moderator and a viewer are shown what they may', async () => {
  await provider.setPerson({ groups: ['mods'], email: 'mo@example.org' });
  const moderator = (await openPage(browser, fleet.console())).page;
  await enter(moderator);
  await openLobby(moderator);
  await button(moderator, 'Kick ann').waitFor();
  await moderator.getByLabel('Post as the server').waitFor();
  expect(await button(moderator, 'Close room').count()).toBe(0);

  await provider.setPerson({ groups: ['staff'], email: 'vera@example.org' });
  const viewer = (await openPage(browser, fleet.console())).page;
  await enter(viewer);
  await viewer.getByText('oidc:vera@example.org').waitFor();
  await openLobby(viewer);
  for (const name of ['Close room', 'Kick ann', 'Mute a name', 'Post'])
    expect(await button(viewer, name).count()).toBe(0);
  await provider.setPerson({});
});

test('a code of another tab signs nobody in', async () => {
  const { page } = await openPage(
    browser,
    `${fleet.console()}#login=${'A'.repeat(43)}`,
  );

  await page.getByText(/^You are not signed in: the code is not known/).waitFor();
  expect(page.url()).not.toContain('login');
});

test('who has no group is told so', async () => {
  await provider.setPerson({ groups: [] });
  const { page } = await openPage(browser, fleet.console());

  await button(page, 'Continue with single sign-on').click();
  await page.getByText('this account has no role here').waitFor();
  await provider.setPerson({});
});

test('a token can be typed all the same', async () => {
  const { page } = await openPage(browser, fleet.console());

  await signIn(page);
  await page.getByText('admin', { exact: true }).first().waitFor();
});
