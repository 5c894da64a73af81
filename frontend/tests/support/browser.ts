// Debian's chromium, driven by playwright-core, and the console in it. Whatever a page logs
// as an error fails the test that asks: a page that breaks quietly is broken too.

import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { TOKEN } from './fleet';

const ARTEFACTS = resolve('../build/console');
export const PATIENCE_MS = 40_000;

export async function openBrowser(): Promise<Browser> {
  await mkdir(ARTEFACTS, { recursive: true });
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface View {
  page: Page;
  /** Requests to anything but the fleet, and errors of scripts and the content policy. */
  problems: string[];
}

/** A page of its own, with storage of its own. */
export async function openPage(
  browser: Browser,
  url: string,
  size = { width: 1280, height: 800 },
): Promise<View> {
  const context = await browser.newContext({
    viewport: size,
    timezoneId: 'Asia/Kolkata',
  });
  const page = await context.newPage();
  const problems: string[] = [];

  page.setDefaultTimeout(PATIENCE_MS);
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|Warning:|Error:/.test(message.text()))
      problems.push(message.text());
  });
  page.on('request', (request) => {
    if (!/^(http|ws):\/\/127\.0\.0\.1:/.test(request.url()))
      problems.push(request.url());
  });
  await page.goto(url);
  return { page, problems };
}

export async function signIn(page: Page): Promise<void> {
  await page.getByLabel('Token of the admin service').fill(TOKEN);
  await page.getByLabel('Your name, for the audit trail').fill('María');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('status', { name: 'Health' }).waitFor();
}

export async function goTo(page: Page, title: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Views' }).getByText(title).click();
  await page.getByRole('heading', { level: 1, name: title }).waitFor();
}

/** Enters the chat with the gateway of this index (of those in /config.json). */
export async function enterChat(
  page: Page,
  user: string,
  room: string,
  gateway: number,
): Promise<void> {
  await page.getByLabel('Your name').fill(user);
  await page.getByLabel('Room').fill(room);
  await page.getByLabel('Gateway to begin with').selectOption(`${gateway}`);
  await page.getByRole('button', { name: 'Enter' }).click();
  await page.getByRole('heading', { level: 2, name: room }).waitFor();
}

export async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel(/^Message to/).fill(text);
  await page.keyboard.press('Enter');
}

/** The texts of the conversation that is shown, and the lines that say what is missing. */
export async function textsOf(page: Page): Promise<string[]> {
  return page.locator('.messages .text, .messages .break').allInnerTexts();
}

/** What axe finds that is serious or worse, in words. */
export async function faultsOf(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate(() =>
    (window as unknown as { axe: typeof axe }).axe.run(document),
  );
  if (passes.length === 0) throw new Error('axe has looked at nothing');
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}

/** Kept in build/console, for people to look at. */
export async function shoot(page: Page, name: string): Promise<void> {
  await page.screenshot({
    path: resolve(ARTEFACTS, `${name}.png`),
    animations: 'disabled',
  });
}

/** In both colours: shoots it, and gives what axe finds. */
export async function lookAt(page: Page, name: string): Promise<string[]> {
  const faults: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await shoot(page, `${name}-${colorScheme}`);
    faults.push(...(await faultsOf(page)).map((fault) => `${name}: ${fault}`));
  }
  await page.emulateMedia({ colorScheme: 'light' });
  return faults;
}

/** Whether nothing sticks out sideways. */
export function fitsSideways(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const main = document.querySelector('main');
    return (
      scrollWidth <= clientWidth && (!main || main.scrollWidth <= main.clientWidth)
    );
  });
}

/** How much of the page moved by itself since it was loaded: 0.1 and less counts as good. */
export function shiftOf(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        new PerformanceObserver((list) => {
          const shifts = list.getEntries() as unknown as { value: number }[];
          resolve(shifts.reduce((sum, { value }) => sum + value, 0));
        }).observe({ type: 'layout-shift', buffered: true });
        // Where nothing moved at all, nothing is told.
        requestAnimationFrame(() => setTimeout(() => resolve(0), 500));
      }),
  );
}
