// What all browser tests share: a signed-in page that fails on any complaint of the browser, and axe.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after } from 'node:test';
import { chromium } from 'playwright-core';
import { ARGUMENTS, executablePath, signIn, watch } from './browser.mjs';

export const url = process.env.TAFFRAIL_URL;
export const user = process.env.TAFFRAIL_USER ?? 'admin';
export const password = process.env.TAFFRAIL_PASSWORD ?? '';
export const skip = url === undefined ? 'SKIPPED: TAFFRAIL_URL is not set, so there is no server to test' : false;
if (skip) console.error(skip);
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const parameters = (page) => new URL(page.url()).searchParams;

// One browser and one session for a file: starting and signing in would be most of the time.
let browser;
let kept;
after(() => browser?.close());

/** A page of somebody who is signed in; fails afterwards on any complaint of the browser. */
export async function portal(use, { fresh = false, ...options } = {}) {
  browser ??= await chromium.launch({ executablePath, headless: true, args: ARGUMENTS });
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
    permissions: ['clipboard-read', 'clipboard-write'],
    ...(kept && !fresh ? { storageState: kept } : {}),
    ...options,
  });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const problems = watch(page, url);
    if (!kept || fresh) await signIn(page, url, user, password);
    if (!fresh) kept ??= await context.storageState();
    await use(page, context);
    assert.deepEqual([...new Set(problems)], []);
  } finally {
    await context.close();
  }
}

/** No serious violation of WCAG A and AA. */
export async function accessible(page, what) {
  // axe is not part of the portal, and its policy rightly keeps foreign scripts out.
  const client = await page.context().newCDPSession(page);
  const evaluate = (expression, awaitPromise = false) => client.send('Runtime.evaluate', { expression, awaitPromise, returnByValue: true });
  await evaluate(axe);
  const { result, exceptionDetails } = await evaluate(
    `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], rules: { 'aria-hidden-focus': { enabled: true } } }).then((r) => r.violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => v.id + ': ' + v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join(' | ')))`,
    true,
  );
  assert.equal(exceptionDetails, undefined);
  assert.deepEqual(result.value, [], what);
}
