// The console of a fleet whose rooms are spread over three Redis, one of which goes down and
// comes back.

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { View } from '../support/browser';
import { goTo, lookAt, openBrowser, openPage, shoot, signIn } from '../support/browser';
import { closeChats, openChat, waitLive } from '../support/chat';
import { fleetOfFile } from '../support/fleet';
import { waitFor } from '../support/wait';

const ROOMS = Array.from({ length: 12 }, (_, i) => `room ${i}`);
const fleet = fleetOfFile({}, 3);
let browser: Browser;
let view: View;

beforeAll(async () => {
  const ann = openChat({ addresses: fleet.urls(), user: 'ann' });
  for (const room of ROOMS) ann.join(room);
  await Promise.all(ROOMS.map((room) => waitLive(ann, room)));
  browser = await openBrowser();
  view = await openPage(browser, fleet.console());
  await signIn(view.page);
});
afterAll(async () => {
  closeChats();
  await browser?.close();
});

async function roomsOf(shard: number): Promise<string[]> {
  const { rooms } = (await fleet.ask('GET', '/rooms')) as {
    rooms: { room: string; shard_id: number }[];
  };
  return rooms.filter(({ shard_id }) => shard_id === shard).map(({ room }) => room);
}

test('each shard is a row with its Redis and its rooms', async () => {
  const { page } = view;
  const counts = await Promise.all(
    [0, 1, 2].map(async (shard) => (await roomsOf(shard)).length),
  );

  expect(counts.reduce((a, b) => a + b)).toBe(ROOMS.length);
  await page.getByText('All is well').waitFor();
  await goTo(page, 'Shards');
  for (const [shard, count] of counts.entries()) {
    const row = page.getByRole('row', { name: `:${fleet.redisPort(shard)}` });
    await row.getByText(`Shard ${shard}`).waitFor();
    await row.getByText('answers', { exact: true }).waitFor();
    await row.getByText(`${count}`, { exact: true }).waitFor();
    await row.getByText('master').waitFor();
  }
  expect(await lookAt(page, 'shards')).toEqual([]);
});

test('one that is down is said everywhere, with what is left out, until it is back', async () => {
  const { page } = view;
  const gone = await roomsOf(2);

  expect(gone.length).toBeGreaterThan(0);
  await fleet.killRedis(2);
  const row = page.getByRole('row', { name: `:${fleet.redisPort(2)}` });
  await row.getByText('does not answer').waitFor();
  await page.getByText('1 of 3 shards is down').waitFor();
  expect(await lookAt(page, 'shards-one-down')).toEqual([]);
  await goTo(page, 'Rooms');
  await page.getByText('Rooms of shard 2 are left out: it does not answer.').waitFor();
  for (const room of gone)
    await waitFor('its rooms are left out', async () => {
      return (await page.getByRole('link', { name: room, exact: true }).count()) === 0;
    });
  expect(await lookAt(page, 'rooms-one-shard-down')).toEqual([]);
  await goTo(page, 'Overview');
  const health = page.getByRole('main').getByText('1 of 3 shards is down');
  await health.waitFor();
  await shoot(page, 'overview-one-shard-down');

  await fleet.startRedis(2);
  await page.getByText('All is well').waitFor();
  await page.getByRole('main').getByText('answers', { exact: true }).waitFor();
});
