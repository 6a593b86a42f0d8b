// A browser as the tests need it: Debian's Chromium, without profile and without calls of its own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Opens a browser with one page and hands both to `use`; everything is gone afterwards. */
export async function withBrowser(options, use) {
  const profile = await mkdtemp(join(tmpdir(), 'taffrail-e2e-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: ARGUMENTS,
    viewport: options.viewport ?? { width: 1440, height: 900 },
    colorScheme: options.colorScheme ?? 'light',
    reducedMotion: 'reduce',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  try {
    return await use(context, context.pages()[0] ?? (await context.newPage()));
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** Notes what no page may do: fail, complain in the console, or reach another host. */
export function watch(page, url) {
  const problems = [];
  const own = new URL(url).origin;
  page.on('pageerror', (error) => problems.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    // Refusals are part of the tests; the browser reports each as an error.
    if (message.type() === 'error' && !/Failed to load resource/.test(text)) problems.push(`console: ${text}`);
  });
  page.on('request', (request) => {
    const target = new URL(request.url());
    if (/^https?:$/.test(target.protocol) && target.origin !== own) problems.push(`request to another host: ${target.origin}`);
  });
  return problems;
}

export async function signIn(page, url, user, password) {
  await page.goto(`${url}/sign-in`);
  // Without sign-in the server leads on by itself.
  await page.waitForSelector('form[aria-label="Sign in"], nav[aria-label="Pages"]');
  if (await page.locator('nav[aria-label="Pages"]').count()) return;
  await page.fill('input[name=username]', user);
  await page.fill('input[name=password]', password);
  await page.click('button[type=submit]');
  await page.waitForSelector('nav[aria-label="Pages"]');
}
