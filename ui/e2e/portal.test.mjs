// The main path of every page, in a real browser against a running server:
//   TAFFRAIL_URL=http://127.0.0.1:8090 TAFFRAIL_PASSWORD=… npm run e2e
// The server needs some open incidents and rows in KubernetesAudit; `make demo` makes both. The tests
// change incidents, so they want a server of their own.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { withBrowser } from './browser.mjs';
import { accessible, parameters, password, portal, skip, url, user } from './portal.mjs';

const logs = (query, more = '') => `${url}/logs?t=all&q=${encodeURIComponent(query)}${more}`;
const rows = (page) => page.locator('.incidents tbody tr');

test('signing in: a wrong password is told apart from success, and leads to the page that was asked for', { skip }, async () => {
  await withBrowser({}, async (_, page) => {
    page.setDefaultTimeout(15_000);
    await page.goto(`${url}/incidents?severity=High&sort=severity`);
    await page.waitForSelector('form[aria-label="Sign in"]');
    await accessible(page, 'sign-in');
    await page.fill('input[name=username]', user);
    await page.fill('input[name=password]', 'certainly not the password');
    await page.click('button[type=submit]');
    await page.getByRole('alert').filter({ hasText: 'wrong' }).waitFor();
    await page.fill('input[name=password]', password);
    await page.click('button[type=submit]');
    await page.waitForURL((u) => u.pathname === '/incidents');
    assert.equal(parameters(page).get('severity'), 'High');
    assert.equal(parameters(page).get('sort'), 'severity');
  });
});

test('the server being away is said in words', { skip }, async () => {
  await withBrowser({}, async (context, page) => {
    await page.goto(`${url}/sign-in`);
    await page.fill('input[name=username]', user);
    await page.fill('input[name=password]', password);
    await context.setOffline(true);
    await page.click('button[type=submit]');
    await page.getByRole('alert').filter({ hasText: 'does not answer' }).waitFor();
  });
});

test('the queue filters, searches and sorts by its address', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/incidents`);
    await rows(page).first().waitFor();
    const facet = page.locator('.facets section', { hasText: 'Severity' }).getByRole('checkbox').first();
    const name = (await facet.locator('.severity').innerText()).trim();
    await facet.click();
    await page.waitForURL((u) => u.searchParams.has('severity'));
    // Rules go on while this runs: the queue's count is compared with the facet's of the same moment.
    await page.waitForFunction(() => {
      const shown = document.querySelector('.page-head [role=status]')?.textContent ?? '';
      const counted = document.querySelector('.facets [aria-checked=true] .n')?.textContent;
      return counted !== undefined && shown.startsWith(`${counted} `);
    });
    for (const text of await rows(page).locator('td.c-severity').allInnerTexts()) assert.equal(text.trim(), name);
    await page.reload();
    await rows(page).first().waitFor();
    assert.equal(await page.locator('.facets [aria-checked=true]').count(), 1);

    await page.goto(`${url}/incidents?sort=number&order=asc`);
    await rows(page).first().waitFor();
    const numbers = (await rows(page).evaluateAll((all) => all.map((r) => Number(r.dataset.number)))).filter((n) => n > 0);
    assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));

    await page.keyboard.press('/');
    await page.keyboard.type('no incident is called like this');
    await page.waitForURL((u) => u.searchParams.has('search'));
    await page.getByText('Nothing here').waitFor();
    await page.getByRole('button', { name: 'Show all incidents' }).click();
    await rows(page).first().waitFor();
    await accessible(page, 'queue');
  });
});

test('triage by keyboard: choose, assign, status, severity, comment, open', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/incidents?status=New&sort=number&order=asc`);
    await rows(page).first().waitFor();
    await page.keyboard.press('j');
    await page.waitForSelector('.pane h2');
    const number = parameters(page).get('selected');
    const fact = (name) => page.locator('.pane').getByRole('button', { name });
    await page.keyboard.press('a');
    await fact(/^Owner: .*\(me\)$/).waitFor();
    await page.keyboard.press('s');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('a');
    await fact('Status: Active').waitFor();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('e');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('l');
    await fact('Severity: Low').waitFor();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('c');
    await page.locator('.pane textarea').waitFor();
    await page.keyboard.type('seen **by keyboard**');
    await page.keyboard.press('Control+Enter');
    await page.locator('.pane strong', { hasText: 'by keyboard' }).waitFor();
    await accessible(page, 'side pane');
    await page.locator('.incidents thead').click({ position: { x: 3, y: 3 } });
    await page.keyboard.press('Enter');
    await page.waitForURL((u) => u.pathname === `/incidents/${number}`);
  });
});

test('an incident: parts by address, comment, close with a classification, history of it', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/incidents?status=New&status=Active&sort=number&order=desc`);
    await rows(page).first().waitFor();
    await rows(page).first().locator('.title a').first().click();
    await page.waitForSelector('.incident-head');
    const path = new URL(page.url()).pathname;
    await accessible(page, 'incident overview');
    await page.getByRole('link', { name: /^Alerts/ }).click();
    await page.waitForURL((u) => u.searchParams.get('tab') === 'alerts');
    await page.locator('.evidence tbody tr').first().waitFor();
    await page.getByRole('button', { name: 'Event 1 as a tree' }).first().click();
    await page.locator('.evidence .tree').waitFor();
    await accessible(page, 'incident alerts');
    await page.getByRole('link', { name: 'Investigate' }).click();
    await page.locator('[data-testid=graph][data-ready=true] canvas').first().waitFor();
    const listed = page.locator('.side-list .node-button').first();
    await listed.click();
    await page.waitForURL((u) => u.searchParams.has('sel'));
    await page.getByRole('button', { name: 'Other alerts that name it' }).click();
    await page.locator('.side-list .node-button .count').first().waitFor();
    await accessible(page, 'incident investigation');
    await page.locator('.time-strip').focus();
    await page.keyboard.press('ArrowRight');
    await page.waitForURL((u) => u.searchParams.has('from'));
    await page.keyboard.press('Escape');
    await page.waitForURL((u) => !u.searchParams.has('from'));
    await page.goto(`${url}${path}?tab=alerts`);
    await page.locator('nav[aria-label="Parts of the incident"]').getByRole('link', { name: /^Entities/ }).click();
    await page.locator('.entity').first().waitFor();
    await accessible(page, 'incident entities');

    await page.goto(`${url}${path}?tab=activity`);
    await page.fill('textarea[name=message]', '<img src=x onerror=alert(1)> `kubectl get pods`\n\n- rotated');
    await page.getByRole('button', { name: 'Comment', exact: true }).click();
    const comment = page.locator('.comment').last();
    await comment.locator('code', { hasText: 'kubectl get pods' }).waitFor();
    assert.equal(await page.locator('.comment img').count(), 0);

    await page.getByRole('button', { name: 'Status' }).click();
    await page.getByRole('menuitem', { name: 'Closed' }).click();
    await page.getByRole('dialog').getByText('Benign positive').click();
    await accessible(page, 'closing');
    await page.getByRole('dialog').locator('textarea').fill('planned work');
    await page.getByRole('button', { name: /^Close incident/ }).click();
    await page.locator('.incident-head').getByText('Benign positive').waitFor();
    await page.locator('.feed').getByText('set the classification').or(page.locator('.feed').getByText('changed the classification')).or(page.locator('.feed').getByText('changed the status')).first().waitFor();
    await accessible(page, 'incident activity');
    await page.reload();
    await page.locator('.incident-head').getByText('Benign positive').waitFor();
  });
});

test('changes by others appear where the row stands', { skip }, async () => {
  await portal(async (page, context) => {
    await page.goto(`${url}/incidents?sort=number&order=asc`);
    await rows(page).first().waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    const number = await rows(page).first().getAttribute('data-number');
    const before = await rows(page).evaluateAll((all) => all.map((r) => r.dataset.number));
    const other = await context.newPage();
    await other.goto(`${url}/incidents/${number}`);
    const severity = (await page.locator(`tr[data-number="${number}"] .severity`).innerText()).trim() === 'Medium' ? 'High' : 'Medium';
    await other.getByRole('button', { name: 'Severity' }).click();
    await other.getByRole('menuitem', { name: severity }).click();
    await page.locator(`tr[data-number="${number}"]`).getByText(severity).waitFor();
    assert.deepEqual(await rows(page).evaluateAll((all) => all.map((r) => r.dataset.number)), before);
  });
});

test('several incidents are changed at once', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/incidents?status=New&status=Active`);
    await rows(page).first().waitFor();
    const boxes = page.locator('.incidents tbody [role=checkbox]');
    const many = Math.min(2, await boxes.count());
    for (let i = 0; i < many; i += 1) await boxes.nth(i).click();
    await page.getByText(`${many} selected`).waitFor();
    await accessible(page, 'bulk');
    await page.getByRole('toolbar').getByRole('button', { name: 'Assign to me' }).click();
    await page.getByText(/changed$/).first().waitFor();
    for (let i = 0; i < many; i += 1) await rows(page).nth(i).getByText('(me)').waitFor();
  });
});

test('logs: a query in the address runs, sorts, opens and filters', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(logs('KubernetesAudit\n| project TimeGenerated, Verb, Namespace\n| take 200'));
    await page.locator('.grid-row').first().waitFor();
    assert.match(await page.getByTestId('statistics').innerText(), /^\d[\d,]* rows? in /);
    await page.locator('.grid-head .sort', { hasText: 'Verb' }).click();
    await page.locator('.grid-head [aria-sort]').waitFor();
    await page.locator('.grid-row .twist button').first().click();
    await page.locator('.grid-row .tree').waitFor();
    await page.locator('.grid-row .twist button').first().click();
    const verb = page.locator('.grid-row').first().locator('.grid-cell').nth(2);
    const value = (await verb.innerText()).trim();
    await verb.click();
    await page.getByRole('menuitem', { name: `where Verb == "${value}"` }).click();
    await page.waitForURL((u) => (u.searchParams.get('q') ?? '').includes(`| where Verb == "${value}"`));
    await page.waitForFunction((v) => [...document.querySelectorAll('.grid-row .cells')].length > 0 && [...document.querySelectorAll('.grid-row .cells')].every((r) => r.children[2]?.textContent === v), value).catch(() => assert.fail('rows of other verbs are shown'));
    await accessible(page, 'logs');
  });
});

test('logs: the language service works under the shipped policy and colours what it knows', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(logs('KubernetesAudit\n| take 5'));
    await page.locator('.monaco-editor .view-line .Table', { hasText: 'KubernetesAudit' }).waitFor({ timeout: 60_000 });
    await page.locator('.monaco-editor').first().click();
    await page.keyboard.press('Control+End');
    await page.keyboard.press('Enter');
    await page.keyboard.type('| where Ver');
    await page.keyboard.press('Control+Space');
    await page.locator('.suggest-widget.visible .monaco-list-row', { hasText: 'Verb' }).first().waitFor({ timeout: 30_000 });
  });
});

test('logs: an error stands at its place, with its mend', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(logs('KubernetesAudit\n| where Vreb == "get"\n| take 5'));
    const message = page.locator('.messages .notice').first();
    await message.waitFor();
    await message.getByText('line 2, column 9').waitFor();
    assert.equal(await message.locator('mark').innerText(), 'Vreb');
    await page.locator('.monaco-editor .squiggly-error').first().waitFor({ timeout: 30_000 });
    await accessible(page, 'logs with an error');
    const mend = message.getByRole('button', { name: 'Mend it' });
    if (await mend.count()) {
      await mend.click();
      await page.waitForFunction(() => document.querySelectorAll('.monaco-editor .squiggly-error').length === 0);
      await page.keyboard.press('Shift+Enter');
      await page.locator('.grid-row, .empty').first().waitFor();
    }
  });
});

test('logs: render draws, another chart can be chosen, and the view is in the address', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(logs('KubernetesAudit\n| summarize count() by bin(TimeGenerated, 1h), Verb\n| render timechart'));
    await page.locator('[data-testid=chart] canvas').waitFor();
    await accessible(page, 'chart');
    await page.getByRole('button', { name: 'Time chart' }).click();
    await page.getByRole('menuitem', { name: 'Area chart' }).click();
    await page.getByRole('button', { name: 'Area chart' }).waitFor();
    await page.getByRole('tab', { name: 'Results' }).click();
    await page.waitForURL((u) => u.searchParams.get('view') === 'table');
    await page.locator('.grid-row').first().waitFor();
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click().then(() => page.getByRole('menuitem', { name: 'CSV file' }).click())]);
    const csv = await readFile(await file.path(), 'utf8');
    assert.match(csv.split('\r\n')[0], /^TimeGenerated,Verb,count_$/);
    await page.getByRole('button', { name: 'History' }).click();
    await page.locator('.history .item').first().waitFor();
  });
});

test('rules: the list leads to a rule, the rule to its query', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/rules`);
    await page.locator('.table tbody tr').first().waitFor();
    await accessible(page, 'rules');
    await page.locator('.table tbody tr a').first().click();
    await page.locator('.rule-page').waitFor();
    await accessible(page, 'rule');
    await page.getByRole('link', { name: 'Run in Logs' }).click();
    await page.waitForURL((u) => u.pathname === '/logs' && u.searchParams.has('q'));
    await page.locator('.results-bar, .messages').first().waitFor();
    assert.equal(await page.locator('.messages').count(), 0, 'the query of a shipped rule runs');
  });
});

test('settings: a token is shown once and can be revoked', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/settings/tokens`);
    const name = `e2e ${Date.now()}`;
    await page.getByRole('button', { name: 'Make a token' }).first().click();
    await page.getByRole('dialog').locator('input[name=name]').fill(name);
    await page.getByRole('dialog').getByRole('button', { name: 'Make the token' }).click();
    assert.match(await page.getByTestId('secret').innerText(), /^tfr_/);
    await accessible(page, 'tokens');
    await page.getByRole('button', { name: 'I have kept it' }).click();
    const row = page.locator('tr', { hasText: name });
    if (await row.count()) {
      await row.getByRole('button', { name: 'Revoke' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    }
    for (const part of ['account', 'users', 'about']) {
      await page.goto(`${url}/settings/${part}`);
      await page.locator('.settings .card').first().waitFor();
      await accessible(page, part);
    }
  });
});

test('the palette leads everywhere, help explains the keys, an unknown address says so', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/incidents`);
    await page.locator('.queue').waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('health');
    await page.locator('.palette-list [aria-selected=true]', { hasText: 'health' }).waitFor();
    await accessible(page, 'palette');
    await page.keyboard.press('Enter');
    await page.waitForURL((u) => u.pathname === '/settings/about');
    await page.locator('.settings .card').first().waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
    await accessible(page, 'help');
    await page.goto(`${url}/no/such/page`);
    await page.getByText('There is no such page').waitFor();
  });
});

test('dark is as readable as light, and the choice stays', { skip }, async () => {
  await portal(
    async (page) => {
      await page.goto(`${url}/incidents`);
      await rows(page).first().waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
      for (const path of ['/incidents', '/rules', '/settings/account', '/settings/about', '/logs?t=all&q=KubernetesAudit%20%7C%20take%205']) {
        await page.goto(url + path);
        await page.locator('.incidents tbody tr, .table tbody tr, .settings .card, .grid-row').first().waitFor();
        await accessible(page, `dark ${path}`);
      }
      await page.getByRole('button', { name: 'System theme' }).click();
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
      await page.reload();
      await page.locator('.shell').waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
    },
    { colorScheme: 'dark' },
  );
});

test('signing out leaves nothing behind', { skip }, async () => {
  await portal(async (page) => {
    await page.getByRole('button', { name: /^You/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.waitForSelector('form[aria-label="Sign in"]');
    await page.goto(`${url}/incidents`);
    await page.waitForSelector('form[aria-label="Sign in"]');
  }, { fresh: true });
});
