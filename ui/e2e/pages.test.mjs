// The pages that show what is known: overview, matrices, entities, hunting, workbooks, sources. Same server as
// portal.test.mjs, same needs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, parameters, portal, skip, url } from './portal.mjs';

const LAST = 't=6h';
const settled = (page) => page.waitForFunction(() => document.querySelectorAll('.panel-said[role=status], .skeleton').length === 0);

test('overview: numbers, charts and lists of the range, each leading on', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/?${LAST}`);
    await page.locator('[data-testid=chart] canvas').first().waitFor();
    await settled(page);
    await accessible(page, 'overview');
    assert.equal(await page.locator('.panel-said[role=alert]').count(), 0, 'every tile has its answer');
    await page.getByRole('button', { name: /^Time range/ }).click();
    await page.getByRole('button', { name: 'Last 7 days' }).click();
    await page.waitForURL((u) => u.searchParams.get('t') === '7d');
    // The range goes along to the next page.
    await page.locator('nav[aria-label=Pages]').getByRole('link', { name: 'Entities' }).click();
    await page.waitForURL((u) => u.pathname === '/entities' && u.searchParams.get('t') === '7d');
    await page.goBack();
    await page.locator('.bars a').first().waitFor();
    await page.locator('.tile', { hasText: 'New incidents' }).click();
    await page.waitForURL((u) => u.pathname === '/incidents' && u.searchParams.get('status') === 'New');
  });
});

test('the cluster goes along and narrows what is asked', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/entities?${LAST}`);
    await page.locator('.table tbody tr').first().waitFor();
    await page.getByRole('button', { name: /^Cluster/ }).click();
    await page.getByRole('menuitem').nth(1).click();
    await page.waitForURL((u) => u.searchParams.has('cluster'));
    await page.locator('.table tbody tr').first().waitFor();
    await page.goto(`${url}/entities?${LAST}&cluster=no-such-cluster`);
    await page.getByText('No accounts here').waitFor();
  });
});

test('both matrices: a technique shows its rules and alerts', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/attack?${LAST}`);
    await page.locator('.technique[data-level]').first().click();
    await page.waitForURL((u) => u.searchParams.has('technique'));
    await page.locator('.pane section').first().waitFor();
    await accessible(page, 'attack');
    await page.getByRole('button', { name: 'Alerts seen' }).click();
    await page.locator('.technique[data-heat]').first().waitFor();
    await page.keyboard.press('Escape');
    await page.waitForURL((u) => !u.searchParams.has('technique'));
    await page.getByRole('button', { name: 'Threat matrix for Kubernetes' }).click();
    await page.locator('.technique', { hasText: 'Exec into container' }).click();
    await page.locator('.pane').getByRole('link').first().click();
    await page.waitForURL((u) => u.pathname.startsWith('/rules/'));
  });
});

test('entities: found by name, with facts, alerts and what they have to do with', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/entities?${LAST}`);
    await page.locator('.table tbody tr').first().waitFor();
    await accessible(page, 'entities');
    const name = (await page.locator('.table tbody tr a').first().innerText()).trim();
    await page.keyboard.press('/');
    await page.keyboard.type(name.slice(0, 5));
    await page.waitForURL((u) => u.searchParams.get('search') === name.slice(0, 5));
    await page.locator('.table tbody tr a', { hasText: name }).first().click();
    await page.waitForURL((u) => u.pathname === '/entities/account' && u.searchParams.get('name') === name);
    await page.locator('.facts').first().waitFor();
    await page.locator('.bars a').first().waitFor();
    await settled(page);
    await accessible(page, 'entity');
    await page.getByRole('link', { name: 'Timeline' }).click();
    await page.locator('.stream li').first().waitFor();
    await page.getByRole('link', { name: /^Alerts/ }).click();
    await page.waitForURL((u) => u.searchParams.get('tab') === 'alerts');
    for (const kind of ['serviceaccount', 'pod', 'namespace', 'node', 'image', 'address']) {
      await page.goto(`${url}/entities?${LAST}&kind=${kind}`);
      await page.locator('.table tbody tr a').first().click();
      await page.waitForURL((u) => u.pathname === `/entities/${kind}`);
      await page.locator('.facts').first().waitFor();
      await settled(page);
      assert.equal(await page.locator('.panel-said[role=alert]').count(), 0, `every query of a ${kind} runs`);
    }
  });
});

test('workbooks: shipped ones answer, parameters are in the address, a copy can be edited', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/workbooks?${LAST}`);
    await page.locator('.gallery a').first().waitFor();
    await accessible(page, 'workbooks');
    const all = await page.locator('.gallery a').evaluateAll((links) => links.map((a) => a.getAttribute('href')));
    assert.ok(all.length >= 9, `${all.length} workbooks`);
    for (const path of all) {
      await page.goto(url + path);
      await page.locator('.panel').first().waitFor();
      await settled(page);
      assert.deepEqual(await page.locator('.panel-said[role=alert]').allInnerTexts(), [], path);
    }
    await page.goto(`${url}/workbooks/kubernetes-audit?${LAST}`);
    await page.getByRole('button', { name: /^Namespace all/ }).click();
    await page.locator('.popover .options .item').nth(1).click();
    await page.waitForURL((u) => u.searchParams.has('p-Namespaces'));
    await page.keyboard.press('Escape');
    await settled(page);
    await accessible(page, 'workbook');

    await page.getByRole('button', { name: 'Document' }).click();
    await page.getByRole('menuitem', { name: 'Edit' }).click();
    await page.waitForURL((u) => u.searchParams.get('edit') === 'yes');
    const name = `e2e ${Date.now()}`;
    await page.getByRole('textbox', { name: 'Name' }).fill(name);
    await page.getByRole('button', { name: 'Text', exact: true }).click();
    await page.getByRole('dialog').locator('textarea').fill('Seen **by the tests**');
    await accessible(page, 'workbook part');
    await page.getByRole('dialog').getByRole('button', { name: 'Use it' }).click();
    await page.getByRole('button', { name: 'Keep a copy' }).click();
    await page.waitForURL((u) => u.pathname.startsWith('/workbooks/e2e-'));
    await page.locator('.prose strong', { hasText: 'by the tests' }).waitFor();
    await page.getByRole('button', { name: 'Document' }).click();
    await page.getByRole('menuitem', { name: 'Show as YAML' }).click();
    await page.waitForFunction((n) => document.querySelector('textarea[aria-label=YAML]')?.value.includes(n), name);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Document' }).click();
    await page.getByRole('menuitem', { name: 'Remove' }).click();
    await page.waitForURL((u) => u.pathname === '/workbooks');
    assert.equal(await page.getByText(name).count(), 0);
  });
});

test('sources: what arrives with its last event, and the text to connect more', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/sources?${LAST}`);
    await page.getByRole('region', { name: 'Tables' }).locator('tr', { hasText: 'KubernetesAudit' }).getByText(/ago|just now/).waitFor();
    await settled(page);
    await accessible(page, 'sources');
    await page.getByRole('link', { name: 'Connect' }).click();
    await page.getByText('Events arrive').first().waitFor();
    assert.ok((await page.locator('pre.block').first().innerText()).includes(new URL(url).host), 'the address to send to is this one');
    await accessible(page, 'connect');
    await page.getByRole('link', { name: /^Refused/ }).click();
    await page.locator('.empty, .panel').first().waitFor();
    await accessible(page, 'refused');
  });
});

test('hunting: a query kept from Logs is run with the others and shows what it finds', { skip }, async () => {
  await portal(async (page) => {
    const name = `e2e hunt ${Date.now()}`;
    await page.goto(`${url}/logs?t=6h&q=${encodeURIComponent('KubernetesAudit\n| where Verb == "delete"\n| project TimeGenerated, Username, Namespace, Name')}`);
    await page.locator('.grid-row').first().waitFor();
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByRole('menuitem', { name: 'As a hunting query' }).click();
    await page.getByRole('dialog').locator('input[name=name]').fill(name);
    await accessible(page, 'save');
    await page.getByRole('button', { name: 'Keep it' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });

    await page.goto(`${url}/hunting?${LAST}&search=${encodeURIComponent(name)}`);
    const row = page.locator('tr', { hasText: name });
    await row.getByText('not asked').waitFor();
    await page.getByRole('button', { name: 'Run these' }).click();
    await row.locator('[data-testid=results] b').waitFor();
    await accessible(page, 'hunting');
    await row.getByRole('button', { name }).first().click();
    await page.locator('.pane .table.rows tbody tr').first().waitFor();
    await settled(page);
    await accessible(page, 'hunting query');
    await page.locator('.pane').getByRole('button', { name: 'Remove' }).click();
    await page.getByText('No query fits').or(page.getByText('There are no hunting queries yet')).waitFor();
  });
});

test('logs: fields with their values, statistics, a kept query', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/logs?t=6h&q=${encodeURIComponent('KubernetesAudit\n| project TimeGenerated, Verb, Username\n| take 300')}`);
    await page.locator('.grid-row').first().waitFor();
    await page.getByRole('button', { name: 'Fields' }).click();
    await page.locator('.fields .node', { hasText: 'Verb' }).click();
    await page.locator('.field-value').first().waitFor();
    await accessible(page, 'fields');
    await page.locator('.field-value').first().getByRole('button', { name: /^Only/ }).click();
    await page.waitForURL((u) => (u.searchParams.get('q') ?? '').includes('| where Verb =='));
    await page.locator('.grid-row').first().waitFor();
    await page.getByRole('button', { name: 'Fields' }).click();
    await page.getByRole('button', { name: 'Query statistics' }).click();
    await page.getByText('Rows read').waitFor();
    await page.keyboard.press('Escape');
    const name = `e2e query ${Date.now()}`;
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByRole('menuitem', { name: 'As a saved query' }).click();
    await page.getByRole('dialog').locator('input[name=name]').fill(name);
    await page.getByRole('button', { name: 'Keep it' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Saved' }).click();
    await page.getByRole('button', { name, exact: true }).waitFor();
    await page.getByRole('button', { name: `Remove ${name}` }).click();
    await page.getByRole('button', { name, exact: true }).waitFor({ state: 'detached' });
  });
});

test('queue: rows are grouped, and a view is saved and chosen', { skip }, async () => {
  await portal(async (page) => {
    await page.goto(`${url}/incidents?severity=High`);
    await page.locator('.incidents tbody tr[data-number]').first().waitFor();
    await page.getByRole('button', { name: 'Group' }).click();
    await page.getByRole('menuitem', { name: 'Entity' }).click();
    await page.waitForURL((u) => u.searchParams.get('group') === 'entity');
    const group = page.locator('.group-row').first();
    await group.waitFor();
    const before = await page.locator('.incidents tbody tr[data-number]').count();
    await group.getByRole('button').click();
    await page.waitForFunction((n) => document.querySelectorAll('.incidents tbody tr[data-number]').length < n, before);
    await accessible(page, 'grouped queue');
    const name = `e2e view ${Date.now()}`;
    await page.getByRole('button', { name: 'Saved views' }).click();
    await page.getByRole('menuitem', { name: 'Save this view' }).click();
    await page.getByRole('dialog').locator('input[name=name]').fill(name);
    await page.getByRole('button', { name: 'Keep it' }).click();
    await page.getByRole('button', { name: `Saved views: ${name}` }).waitFor();
    await page.goto(`${url}/incidents`);
    await page.getByRole('button', { name: 'Saved views' }).click();
    await page.getByRole('menuitem', { name }).click();
    await page.waitForURL((u) => u.searchParams.get('group') === 'entity' && u.searchParams.get('severity') === 'High');
    await page.getByRole('button', { name: `Saved views: ${name}` }).click();
    await page.getByRole('menuitem', { name: `Remove ${name}` }).click();
    await page.getByRole('button', { name: 'Saved views', exact: true }).waitFor();
  });
});

test('dark: the pages of what is known are as readable', { skip }, async () => {
  await portal(
    async (page) => {
      for (const path of ['/', '/attack', '/entities', '/workbooks/security-posture', '/hunting', '/sources']) {
        await page.goto(`${url}${path}?${LAST}`);
        await page.locator('.panel, .technique, .table tbody tr, .empty').first().waitFor();
        await settled(page);
        await accessible(page, `dark ${path}`);
      }
    },
    { colorScheme: 'dark' },
  );
});
