// Our checker and the language's own analyser over every query of this repository: what one accepts the other must accept,
// with the same columns of the same types. Known differences stand in differences.json, each with why; an entry that is no
// longer needed fails the test as well.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';

import { analyse, globals } from './analyser.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const repository = join(here, '../..');
const binary = process.env.TAFFRAIL ?? join(repository, 'target/debug/taffrail');
const differences = JSON.parse(readFileSync(join(here, 'differences.json'), 'utf8'));

function taffrail(args, input) {
  return execFileSync(binary, args, { input, encoding: 'utf8', maxBuffer: 1 << 28 });
}

function files(folder, extension) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/** The literal blocks (`key: |`) of a YAML file, by the line they start on. */
function blocks(text, key) {
  const found = [];
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i += 1) {
    const match = lines[i].match(new RegExp(`^(\\s*(?:- )?)${key}:\\s*[|>][-+]?\\s*$`));
    const inline = lines[i].match(new RegExp(`^\\s*(?:- )?${key}:\\s*([^|>\\s].*)$`));
    if (inline) found.push({ line: i + 1, text: inline[1].replace(/^(["'])(.*)\1$/, '$2') });
    if (!match) continue;
    const body = [];
    const indent = match[1].length;
    let j = i + 1;
    while (j < lines.length && (lines[j].trim() === '' || lines[j].search(/\S/) > indent)) body.push(lines[j++]);
    const cut = Math.min(...body.filter((l) => l.trim()).map((l) => l.search(/\S/)));
    found.push({ line: i + 1, text: body.map((l) => l.slice(cut)).join('\n') });
  }
  return found;
}

function contentQueries() {
  const queries = [];
  for (const folder of ['content/rules', 'content/tables', 'content/hunting', 'content/workbooks']) {
    for (const file of files(join(repository, folder), '.yaml')) {
      for (const block of blocks(readFileSync(file, 'utf8'), 'query')) {
        queries.push({ id: `${relative(repository, file)}:${block.line}`, query: block.text });
      }
    }
  }
  return queries;
}

function kqltQueries() {
  const folder = join(repository, 'crates/engine/tests/kqlt');
  return files(folder, '.kqlt').flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('====\n')
      .map((one) => one.split('\n----\n')[0].trim())
      .filter((query) => query)
      .map((query) => ({ id: relative(folder, file), query })),
  );
}

function sharedQueries() {
  const shared = process.env.TAFFRAIL_SHARED ?? join(repository, '../shared');
  return ['engine-cases.jsonl', 'cases.jsonl'].flatMap((name) => {
    const file = join(shared, 'kql', name);
    if (!existsSync(file)) {
      console.error(`SKIPPED: ${name} of the shared cases not found (TAFFRAIL_SHARED names their folder)`);
      return [];
    }
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line)
      .map((line) => JSON.parse(line))
      .map(({ id, query }) => ({ id, query }));
  });
}

/** A query that uses what docs/kql.md lists as not here. */
function absent(ours) {
  return !ours.ok && ours.errors.every((e) => e.message.startsWith('not yet supported'));
}

/** What differs, in one line; undefined when nothing does. */
function difference(ours, theirs) {
  if (ours.ok !== theirs.ok) {
    const why = (ours.ok ? theirs : ours).errors.map((e) => e.message).join(' | ');
    return `${ours.ok ? 'only we accept it' : 'only the analyser accepts it'}: ${why}`;
  }
  if (!ours.ok) return undefined;
  const names = (side) => side.columns.map((c) => c.name).join(', ');
  if (names(ours) !== names(theirs)) return `columns: ours ${names(ours)}; the analyser's ${names(theirs)}`;
  const types = ours.columns
    .map((c, i) => [c, theirs.columns[i]])
    .filter(([a, b]) => b.type !== 'unknown' && a.type !== b.type)
    .map(([a, b]) => `${a.name} is ${a.type}, the analyser says ${b.type}`);
  return types.length ? `types: ${types.join('; ')}` : undefined;
}

function compare(queries, schemaText, t) {
  const folder = mkdtempSync(join(tmpdir(), 'language-'));
  const file = join(folder, 'schema.json');
  try {
    writeFileSync(file, schemaText);
    const lines = queries.map((q, i) => JSON.stringify({ id: i, query: q.query })).join('\n');
    const answers = taffrail(['kql', 'check', '--batch', '--schema', file], `${lines}\n`)
      .split('\n')
      .filter((line) => line)
      .map((line) => JSON.parse(line));
    assert.equal(answers.length, queries.length, 'every line has an answer');
    const state = globals(JSON.parse(schemaText));
    const failures = [];
    const used = new Set();
    let same = 0;
    let notHere = 0;
    queries.forEach((q, i) => {
      if (absent(answers[i])) {
        notHere += 1;
        return;
      }
      let theirs;
      try {
        theirs = analyse(q.query, state);
      } catch {
        // It breaks on some graphs.
        notHere += 1;
        return;
      }
      const found = difference(answers[i], theirs);
      if (found === undefined) {
        same += 1;
        return;
      }
      const known = differences.findIndex((d) => (d.id ?? q.id) === q.id && (!d.query || new RegExp(d.query, 's').test(q.query)));
      if (known < 0) failures.push(`${q.id}\n${q.query}\n  ${found}`);
      else used.add(known);
    });
    const known = queries.length - same - notHere - failures.length;
    t.diagnostic(`${same} of ${queries.length} agree, ${known} differ for a known reason, ${notHere} have no verdict`);
    assert.equal(failures.length, 0, `\n${failures.join('\n\n')}`);
    return used;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const REQUESTS = {
  Name: 'Requests',
  OrderedColumns: [
    ['TimeGenerated', 'datetime'],
    ['_TimeReceived', 'datetime'],
    ['Verb', 'string'],
    ['User', 'string'],
    ['Code', 'int'],
    ['Bytes', 'long'],
    ['Body', 'dynamic'],
  ].map(([Name, CslType]) => ({ Name, CslType })),
};

test('the checker and the analyser agree', (t) => {
  const ours = taffrail(['kql', 'schema']);
  const cases = JSON.stringify({ Databases: { cases: { Name: 'cases', Tables: { Requests: REQUESTS }, Functions: {} } } });
  const content = contentQueries();
  assert.ok(JSON.parse(ours).Databases.taffrail.Tables.KubernetesAudit, 'the built-in tables are there');
  const kqlt = kqltQueries();
  const shared = sharedQueries();
  assert.ok(content.length > 30 && kqlt.length > 100, 'the queries are found');
  const used = [compare(content, ours, t), compare([...kqlt, ...shared], cases, t)].flatMap((set) => [...set]);
  // A difference of the shared cases cannot show when they are not there.
  const unused = differences.filter((d, i) => !used.includes(i) && (shared.length > 0 || !d.shared));
  assert.deepEqual(unused, [], 'differences that are none any more');
});

test('thousands of queries a second are not too many', (t) => {
  const query = 'KubernetesAudit | where Verb == "create" | summarize n = count() by bin(TimeGenerated, 1h) | where n > 5';
  const lines = Array.from({ length: 2000 }, (_, id) => JSON.stringify({ id, query })).join('\n');
  const start = process.hrtime.bigint();
  const answers = taffrail(['kql', 'check', '--batch'], `${lines}\n`).trim().split('\n');
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  t.diagnostic(`${Math.round(answers.length / seconds)} queries a second`);
  assert.equal(answers.length, 2000);
  assert.deepEqual(JSON.parse(answers[0]).columns, [
    { name: 'TimeGenerated', type: 'datetime' },
    { name: 'n', type: 'long' },
  ]);
});

test('an error has its kind, its place and its line', () => {
  const line = JSON.stringify({ id: 'x', query: 'KubernetesAudit\n| where Vrb == "😀" and Nope == 1' });
  const answer = JSON.parse(taffrail(['kql', 'check', '--batch'], `${line}\n`));
  assert.equal(answer.ok, false);
  assert.deepEqual(
    answer.errors.map(({ kind, start, length, line: at, column }) => ({ kind, start, length, at, column })),
    [
      { kind: 'semantic', start: 24, length: 3, at: 2, column: 9 },
      { kind: 'semantic', start: 40, length: 4, at: 2, column: 24 },
    ],
  );
  assert.deepEqual(answer.columns, []);
});

test('docs/kql.md is what the catalogue says', () => {
  const page = taffrail(['kql', 'docs']);
  const file = join(repository, 'docs/kql.md');
  if (process.env.UPDATE) writeFileSync(file, page);
  assert.equal(readFileSync(file, 'utf8'), page, 'taffrail kql docs > docs/kql.md');
});
