// A picture of every page in both themes: TAFFRAIL_URL, TAFFRAIL_USER, TAFFRAIL_PASSWORD, OUT.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { signIn, watch, withBrowser } from './browser.mjs';

const url = process.env.TAFFRAIL_URL ?? 'http://127.0.0.1:8090';
const user = process.env.TAFFRAIL_USER ?? 'admin';
const password = process.env.TAFFRAIL_PASSWORD ?? '';
const out = process.env.OUT ?? 'screenshots';
const only = process.env.ONLY?.split(',');
await mkdir(out, { recursive: true });

const query = (q, t = 'all', more = '') => `/logs?q=${encodeURIComponent(q)}&t=${t}${more}`;
const settled = async (page) => {
  await page.waitForLoadState('networkidle', { timeout: 4000 }).catch(() => undefined);
};
const grid = (page) => page.waitForSelector('.grid-row, .messages, .empty, [data-testid=chart] canvas', { timeout: 20_000 });

for (const theme of ['light', 'dark']) {
  await withBrowser({ colorScheme: theme }, async (_, page) => {
    const problems = watch(page, url);
    const shot = async (name) => {
      if (only && !only.includes(name)) return;
      await page.screenshot({ path: join(out, `${name}-${theme}.png`) });
    };
    await page.goto(`${url}/sign-in`);
    await page.waitForSelector('form, nav');
    await shot('sign-in');
    await signIn(page, url, user, password);
    // The recording is minutes long: a short range shows its course.
    const range = process.env.RANGE ?? '15m';
    const panels = async () => {
      await settled(page);
      await page.waitForFunction(() => document.querySelectorAll('.panel-said[role=status], .skeleton').length === 0, undefined, { timeout: 20_000 }).catch(() => problems.push('a panel did not get its answer'));
      await page.waitForTimeout(250);
    };
    const see = async (name, path, selector = '.panel, .table tbody tr, .empty') => {
      if (only && !only.includes(name)) return;
      await page.goto(`${url}${path}`);
      await page.waitForSelector(selector);
      await panels();
      await shot(name);
    };
    await see('overview', `/?t=${range}`);
    if (!only || only.includes('overview-more')) {
      await page.goto(`${url}/?t=${range}`);
      await page.waitForSelector('.panel');
      await panels();
      await page.locator('.page-scroll').evaluate((e) => e.scrollTo(0, e.scrollHeight));
      await page.waitForTimeout(400);
      await shot('overview-more');
    }
    await see('attack', `/attack?t=${range}`, '.technique');
    await see('attack-alerts', `/attack?t=${range}&matrix=kubernetes&color=alerts&technique=MS-TA9006`, '.technique');
    await see('entities', `/entities?t=${range}`);
    await see('entities-pods', `/entities?t=${range}&kind=pod`);
    await see('entity-account', `/entities/account?t=${range}&name=bob%40shop.example`);
    await see('entity-namespace', `/entities/namespace?t=${range}&name=shop`);
    await see('entity-timeline', `/entities/account?t=${range}&name=bob%40shop.example&tab=timeline`, '.stream li, .panel-said');
    if (!only || only.includes('hunting')) {
      await page.goto(`${url}/hunting?t=${range}`);
      await page.waitForSelector('.table tbody tr, .empty');
      const all = page.getByRole('button', { name: 'Run all' });
      if (await all.isEnabled()) {
        await all.click();
        await page.waitForFunction(() => !/not asked/.test(document.querySelector('.table')?.textContent ?? '') && document.querySelectorAll('.table .spinner').length === 0, undefined, { timeout: 60_000 }).catch(() => problems.push('not every hunting query was answered'));
        await page.locator('tr', { has: page.locator('[data-testid=results] b') }).locator('.link').first().click();
      }
      await panels();
      await shot('hunting');
    }
    await see('bookmarks', '/hunting?tab=bookmarks', '.table tbody tr, .empty');
    await see('livestream', '/hunting?tab=live', '.card');
    await see('watchlists', '/intelligence?id=trusted-registries', '.list-row');
    await see('indicators', '/intelligence?tab=indicators', '.tile, .empty');
    await see('matches', '/intelligence?tab=matches', '.table tbody tr, .empty');
    await see('automation', '/automation', '.choice-card');
    await see('rule-new', `/rules/new?t=${range}&from=exec-into-pod`, '[data-testid=simulated]');
    await see('workbooks', '/workbooks', '.gallery a, .empty');
    for (const id of ['kubernetes-audit', 'rbac-changes', 'identities', 'workloads', 'security-posture', 'control-plane', 'sources-health', 'soc-efficiency', 'mitre-coverage', 'network-flows', 'ingress', 'container-registries', 'ci-cd']) await see(`workbook-${id}`, `/workbooks/${id}?t=${range}`);
    await see('workbook-edit', `/workbooks/rbac-changes?t=${range}&edit=yes`);
    await see('sources', `/sources?t=${range}`);
    await see('sources-connect', '/sources?tab=connect');
    await see('sources-refused', `/sources?t=${range}&tab=refused`);
    await page.goto(`${url}/incidents?status=New&status=Active`);
    await page.waitForSelector('.incidents tbody tr, .empty');
    await settled(page);
    await shot('incidents');
    await see('incidents-grouped', '/incidents?status=New&status=Active&group=entity', '.group-row, .empty');
    await page.goto(`${url}/incidents?status=New&status=Active`);
    await page.waitForSelector('.incidents tbody tr, .empty');
    const first = await page.locator('.incidents tbody tr').first().getAttribute('data-number').catch(() => null);
    if (first !== null) {
      await page.keyboard.press('j');
      await page.waitForSelector('.pane h2');
      await settled(page);
      await shot('incidents-pane');
      for (const tab of ['overview', 'investigate', 'alerts', 'entities', 'activity']) {
        await page.goto(`${url}/incidents/${first}?tab=${tab}`);
        await page.waitForSelector(tab === 'investigate' ? '[data-testid=graph][data-ready=true]' : '.incident-head');
        await settled(page);
        await shot(`incident-${tab}`);
      }
      await page.getByRole('button', { name: 'Status' }).click();
      await page.getByRole('menuitem', { name: 'Closed' }).click();
      await page.waitForSelector('[role=dialog]');
      await shot('incident-close');
    }
    await page.goto(`${url}${query('KubernetesAudit\n| where Verb != "watch"\n| sort by TimeGenerated desc\n| take 500')}`);
    await grid(page);
    await page.waitForSelector('.monaco-editor .view-line', { timeout: 30_000 });
    // The worker has read the schema once it colours a table.
    await page.waitForSelector('.monaco-editor .view-line .Table', { timeout: 60_000 }).catch(() => problems.push('the language service did not colour the query'));
    await shot('logs');
    await page.locator('.grid-row .twist button').first().click().catch(() => undefined);
    await shot('logs-row');
    await page.locator('.grid-row .twist button').first().click().catch(() => undefined);
    await page.getByRole('button', { name: 'Fields' }).click();
    await page.locator('.fields .node', { hasText: 'Username' }).first().click();
    await shot('logs-fields');
    await page.getByRole('button', { name: 'Fields' }).click();
    await page.goto(`${url}${query('KubernetesAudit\n| summarize count() by bin(TimeGenerated, 10m), Verb\n| render timechart')}`);
    await page.waitForSelector('[data-testid=chart] canvas, .empty, .messages');
    await settled(page);
    await shot('logs-chart');
    await page.goto(`${url}${query('KubernetesAudit\n| where TimeGenerate > ago(1h)\n| take 10')}`);
    await page.waitForSelector('.messages');
    await page.waitForSelector('.monaco-editor .squiggly-error', { timeout: 20_000 }).catch(() => problems.push('no marker in the text'));
    await shot('logs-error');
    await page.goto(`${url}/rules?t=${range}&sort=alerts`);
    await page.waitForSelector('.table tbody tr, .empty');
    await shot('rules');
    const rule = page.locator('.table tbody tr a').first();
    if (await rule.count()) {
      await rule.click();
      await page.waitForSelector('.rule-page');
      await settled(page);
      await shot('rule');
    }
    for (const part of ['account', 'users', 'roles', 'tokens', 'data', 'trail', 'about']) {
      await page.goto(`${url}/settings/${part}`);
      await page.waitForSelector('.settings .card');
      await settled(page);
      await shot(`settings-${part}`);
    }
    await page.goto(`${url}/incidents`);
    await page.waitForSelector('.incidents tbody tr, .empty');
    await page.keyboard.press('Control+k');
    await page.waitForSelector('.palette-list');
    await settled(page);
    await shot('palette');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.waitForSelector('.keys');
    await shot('help');
    await page.setViewportSize({ width: 1280, height: 720 });
    await page.goto(`${url}/incidents`);
    await page.waitForSelector('.incidents tbody tr, .empty');
    await settled(page);
    await shot('incidents-1280');
    await page.setViewportSize({ width: 390, height: 844 });
    await settled(page);
    await shot('incidents-phone');
    if (problems.length > 0) {
      console.error(`${theme}:\n  ${[...new Set(problems)].join('\n  ')}`);
      process.exitCode = 1;
    }
  });
}
