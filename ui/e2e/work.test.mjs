// The pages on which people keep what they find, know and decide: tasks, bookmarks, rules, lists, indicators, the trail.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, parameters, portal, skip, url } from './portal.mjs';

const stamp = Date.now().toString(36);

test('an incident: one part of the time for every tab, and tasks that are ticked off', { skip }, () =>
  portal(async (page) => {
    await page.goto(`${url}/incidents?sort=alertCount`);
    await page.locator('.incidents tbody tr .title a').first().click();
    await page.waitForSelector('.incident-head');
    const strip = page.locator('.focus-bar [role=slider]');
    await strip.focus();
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction(() => new URL(location.href).searchParams.has('from'));
    const { from } = Object.fromEntries(parameters(page));
    for (const tab of ['Alerts', 'Entities', 'Investigate']) {
      await page.getByRole('navigation', { name: 'Parts of the incident' }).getByText(tab).click();
      assert.equal(parameters(page).get('from'), from, `${tab} keeps the part of the time`);
    }
    await page.getByRole('navigation', { name: 'Parts of the incident' }).getByText('Overview').click();

    const tasks = page.getByRole('region', { name: 'Tasks' });
    await tasks.getByLabel('New task').fill('Call the team that owns it');
    await page.keyboard.press('Enter');
    await tasks.getByRole('checkbox', { name: 'Call the team that owns it' }).click();
    await tasks.locator('li[data-done=true]').filter({ hasText: 'Call the team' }).waitFor();
    await accessible(page, 'incident with tasks');
    await page.getByRole('navigation', { name: 'Parts of the incident' }).getByText('Activity').click();
    await page.getByText('did the task').first().waitFor();
  }));

test('a row is bookmarked with a note, and becomes an incident with its evidence', { skip }, () =>
  portal(async (page) => {
    await page.goto(`${url}/logs?t=all&q=${encodeURIComponent('KubernetesAudit\n| where EventType == "Exec"\n| project TimeGenerated, Cluster, Username, Namespace, Resource, Name, Command\n| take 5')}`);
    await page.locator('.grid-row .grid-cell').nth(3).click();
    await page.getByRole('menuitem', { name: 'Bookmark the row' }).click();
    await page.getByLabel('Name').fill(`Shell ${stamp}`);
    await page.getByLabel('Note (Markdown)').fill('Not on call that day.');
    await page.getByLabel('Tags').fill('exec, ask-ops');
    await page.getByRole('button', { name: 'Keep it' }).click();
    await page.goto(`${url}/hunting?tab=bookmarks`);
    await page.getByRole('checkbox', { name: `Choose Shell ${stamp}` }).click();
    await accessible(page, 'bookmarks');
    await page.getByRole('button', { name: 'Make an incident of 1' }).click();
    await page.locator('[role=dialog] select[name=severity]').selectOption('High');
    await page.getByRole('button', { name: 'Open the incident' }).click();
    await page.waitForURL(/\/incidents\/\d+/);
    await page.getByRole('heading', { name: `Shell ${stamp}` }).waitFor();
    await page.getByRole('navigation', { name: 'Parts of the incident' }).getByText('Alerts').click();
    await page.getByText('found by a person').waitFor();
    await page.locator('.evidence tbody tr').first().waitFor();
  }));

test('a livestream shows what its query finds', { skip }, () =>
  portal(async (page) => {
    await page.goto(`${url}/hunting?tab=live&q=${encodeURIComponent('TaffrailAudit')}`);
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByRole('button', { name: 'Stop' }).waitFor();
    await page.locator('.live[data-state=live]').first().waitFor();
    await accessible(page, 'livestream');
  }));

test('a rule is written beside what it would have raised', { skip }, () =>
  portal(async (page) => {
    await page.goto(`${url}/rules/new?t=7d&q=${encodeURIComponent('KubernetesAudit\n| where EventType == "Exec"')}`);
    await page.getByTestId('simulated').waitFor();
    assert.match(await page.getByTestId('simulated').innerText(), /^[1-9]\d* alerts/);
    await page.getByRole('button', { name: '2. Alerts' }).click();
    await page.getByLabel('Entities of the first row').locator('.chip').first().waitFor();
    await accessible(page, 'rule wizard, alerts');
    await page.getByRole('button', { name: '3. About' }).click();
    await page.locator('input[name=name]').fill('Exec, written in a test');
    await page.locator('textarea[name=description]').fill('Because.');
    await page.getByRole('button', { name: '4. Keep' }).click();
    await page.locator('pre', { hasText: 'id: exec-written-in-a-test' }).waitFor();
    await accessible(page, 'rule wizard, keep');
  }));

test('a watchlist is edited here, and the next query reads it', { skip }, () =>
  portal(async (page) => {
    await page.goto(`${url}/intelligence`);
    await page.getByRole('button', { name: 'New list' }).click();
    await page.locator('input[name=alias]').fill(`Team${stamp}`);
    await page.locator('input[name=columns]').fill('Account, Team');
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByRole('heading', { name: `Team${stamp}` }).waitFor();
    await page.getByRole('button', { name: 'Row', exact: true }).click();
    await page.getByLabel('Account of row 1').fill('bob@shop.example');
    await page.getByLabel('Team of row 1').fill('ops');
    await page.getByRole('button', { name: 'Keep changes' }).click();
    await page.waitForFunction(() => document.querySelector('.list-head .primary')?.disabled === true);
    await accessible(page, 'watchlists');
    await page.goto(`${url}/logs?t=all&q=${encodeURIComponent(`_GetWatchlist('Team${stamp}')\n| extend Team = tostring(WatchlistItem.Team)`)}`);
    await page.locator('.grid-row', { hasText: 'bob@shop.example' }).waitFor();
    await page.goto(`${url}/intelligence?id=trusted-registries`);
    await page.locator('.list-head', { hasText: 'Image from a registry' }).waitFor();
  }));

test('indicators are taken in and matched with the logs', { skip }, () =>
  portal(async (page) => {
    await page.goto(`${url}/intelligence?tab=indicators`);
    await page.getByRole('button', { name: /^Import/ }).first().click();
    await page.locator('textarea[name=indicators]').fill('198.51.100[.]31,Seen in an attack,90\nnot an indicator!');
    await page.getByText('1 understood, 1 not').waitFor();
    await page.getByRole('button', { name: 'Take in 1' }).click();
    await page.locator('.table td', { hasText: '198.51.100.31' }).first().waitFor();
    await accessible(page, 'indicators');
    await page.goto(`${url}/intelligence?tab=matches`);
    await page.locator('.table.rows td', { hasText: '198.51.100.31' }).first().waitFor();
    await accessible(page, 'matches');
  }));

test('automation, roles, data and the trail say what there is', { skip }, () =>
  portal(async (page) => {
    await page.goto(`${url}/automation`);
    await page.getByRole('button', { name: /Tell other programs/ }).click();
    await page.getByText('A live stream of changes').waitFor();
    await accessible(page, 'automation');
    await page.goto(`${url}/settings/roles`);
    await page.getByText('Watchlists that rules read').waitFor();
    await accessible(page, 'roles');
    await page.goto(`${url}/settings/data`);
    await page.getByRole('button', { name: /the price/ }).click();
    await page.locator('input[name=price]').fill('0.2');
    await page.getByRole('button', { name: 'Set it' }).click();
    await page.getByText('€0.20 a GiB and month').waitFor();
    await accessible(page, 'data and cost');
    await page.goto(`${url}/settings/trail?kind=setting`);
    await page.locator('.table tbody tr', { hasText: 'cost' }).first().waitFor();
    await accessible(page, 'trail');
    // The same rows are a table for rules and queries, a moment later.
    await page.goto(`${url}/logs`);
    await page.waitForFunction(
      async () => {
        const answer = await fetch('/v1/workspaces/taffrail/query', { method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': (await (await fetch('/api/v1/session')).json()).csrf }, body: JSON.stringify({ query: 'TaffrailAudit | where TargetType == "setting" and Target == "cost" | count' }) });
        return (await answer.json()).tables[0].rows[0][0] > 0;
      },
      undefined,
      { polling: 500, timeout: 15_000 },
    );
  }));

test('half a million rows are scrolled to their end, and many points drawn as lines', { skip }, () =>
  portal(async (page) => {
    await page.goto(`${url}/logs?t=all&q=${encodeURIComponent('range Number from 1 to 500000 step 1\n| extend Text = strcat("row ", Number)')}`);
    await page.waitForSelector('.grid-row', { timeout: 60_000 });
    await page.locator('.grid').evaluate((grid) => grid.scrollTo(0, grid.scrollHeight));
    await page.locator('.grid-row', { hasText: 'row 500000' }).waitFor();
    // By size, not by time: what is drawn does not grow with the rows.
    assert.ok((await page.locator('.grid-row').count()) < 120);
    await page.goto(`${url}/logs?t=all&q=${encodeURIComponent('range TimeGenerated from datetime(2026-01-01) to datetime(2026-01-08) step 1m\n| extend Value = 50 + 40 * sin(toreal(datetime_diff("minute", TimeGenerated, datetime(2026-01-01))) / 200)\n| render timechart')}`);
    await page.locator('[data-dense=true] canvas').first().waitFor();
    await accessible(page, 'dense chart');
  }));
