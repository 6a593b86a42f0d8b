import { describe, expect, it } from 'vitest';
import { buildChart } from './chart';
import { course } from './course';
import { coverage } from './coverage';
import { ofAlert, ofLogin } from './entities';
import { countOf, courseOf } from './hunting';
import { binFor, inCluster } from './scope';
import { parseRange } from './time';
import { chosen, fromAzure, readWorkbook, withParameters } from './workbook';
import type { Rule } from '../api/types';

describe('scope', () => {
  it('hides tables that know their cluster behind filtered ones, and no others', () => {
    expect(inCluster('KubernetesAudit | count', undefined, ['KubernetesAudit'])).toBe('KubernetesAudit | count');
    expect(inCluster('KubernetesAudit | count', 'a"b', ['KubernetesAudit', 'Syslog'])).toBe('let KubernetesAudit = KubernetesAudit | where Cluster == "a\\"b";\nKubernetesAudit | count');
  });
  it('takes bins that make a readable chart', () => {
    expect(['15m', '1h', '24h', '7d', '30d'].map((t) => binFor(parseRange(t)))).toEqual(['15s', '1m', '30m', '3h', '12h']);
  });
});

describe('workbooks', () => {
  const workbook = readWorkbook({ name: 'W', parameters: [{ name: 'Spaces', kind: 'choices' }, { name: 'Who', kind: 'text', default: 'ann' }], parts: [{ query: 'T | where Namespace in (Spaces)' }] });
  it('gives parameters as let statements, so that no value can change the query', () => {
    const values = chosen(workbook.parameters, { 'p-Spaces': ['x"); drop', 'y'] });
    expect(withParameters('T | where N in (Spaces) | summarize count() by bin(T, Bin)', workbook.parameters, values, '5m')).toBe('let Bin = 5m;\nlet Spaces = dynamic(["x\\"); drop", "y"]);\nT | where N in (Spaces) | summarize count() by bin(T, Bin)');
    expect(withParameters('T | where U == Who', workbook.parameters, values, '5m')).toBe('let Who = "ann";\nT | where U == Who');
  });
  it('says what is wrong with a document', () => {
    expect(() => readWorkbook({ parts: [{ kind: 'query', query: 'T', visual: 'pie' }] })).toThrow(/part 1 is shown as pie/);
    expect(() => readWorkbook({ name: 'x' })).toThrow(/no list of parts/);
  });
  it('reads the format of Azure workbooks', () => {
    const azure = {
      version: 'Notebook/1.0',
      items: [
        { type: 1, content: { json: '# Hello' } },
        { type: 9, content: { version: 'KqlParameterItem/1.0', parameters: [{ name: 'TimeRange', type: 4 }, { name: 'Space', type: 2, multiSelect: false, query: 'T | distinct N' }] } },
        { type: 3, customWidth: '50', content: { version: 'KqlItem/1.0', title: 'Count', query: "T | where N == '{Space}'", visualization: 'piechart' } },
      ],
    };
    const found = fromAzure(azure, 'Mine');
    expect(found.parameters).toEqual([{ name: 'Space', label: 'Space', kind: 'choice', query: 'T | distinct N' }]);
    expect(found.parts).toEqual([{ kind: 'text', text: '# Hello' }, { kind: 'query', title: 'Count', query: 'T | where N == Space', visual: 'piechart', width: 6 }]);
  });
});

describe('entities', () => {
  it('tells service accounts and nodes from people', () => {
    expect(ofLogin('system:serviceaccount:ci:deployer')).toEqual({ kind: 'serviceaccount', name: 'deployer', namespace: 'ci' });
    expect(ofLogin('system:node:worker-1')).toEqual({ kind: 'node', name: 'worker-1' });
    expect(ofLogin('ann@example.org')).toEqual({ kind: 'account', name: 'ann@example.org' });
    expect(ofAlert({ type: 'KubernetesCluster', name: 'prod' })).toBeNull();
  });
});

describe('coverage', () => {
  const rule = (id: string, techniques: string[], threatMatrix: string[] = []): Rule => ({ id, name: id, techniques, threatMatrix, tactics: ['Execution'], enabled: true }) as unknown as Rule;
  it('counts a rule for a part under the whole, and an alert once', () => {
    const known = coverage([{ id: 'T1552', name: 'Unsecured Credentials', tactics: ['CredentialAccess'], sources: ['audit'] }], 'attack', [rule('a', ['T1552.007'])], [
      { technique: 'T1552', rule: 'a', alerts: 3, high: 1 },
      { technique: 'T1552.007', rule: 'a', alerts: 3, high: 1 },
    ], new Set(['KubernetesAudit']));
    expect(known[0]).toMatchObject({ alerts: 3, high: 1, flowing: true });
    expect(known[0]?.rules).toHaveLength(1);
    // A technique that only the rule knows is shown, too.
    expect(known.map((t) => t.id)).toEqual(['T1552', 'T1552.007']);
  });
});

describe('hunting', () => {
  it('asks for counts without the final render', () => {
    expect(countOf('T | where a == 1\n| render timechart ')).toBe('T | where a == 1\n| count');
    expect(courseOf('T;', '1h')).toBe('T\n| summarize Rows = count() by bin(TimeGenerated, 1h)\n| sort by TimeGenerated asc');
  });
});

describe('charts of pages', () => {
  const palette = { series: ['a', 'b'], text: 't', muted: 'm', line: 'l', surface: 's', font: 'f', named: { High: 'red', Low: 'green' } };
  const columns = [{ name: 'TimeGenerated', type: 'datetime' }, { name: 'Severity', type: 'string' }, { name: 'n', type: 'long' }];
  it('draws bins without rows as 0, so that bars stand on each other, and severities in their order', () => {
    const at = Date.parse('2026-01-01T00:00:00Z');
    const chart = buildChart('timechart', columns, [['2026-01-01T00:00:00Z', 'Low', 1], ['2026-01-01T00:02:00Z', 'High', 2]], null, palette, { bars: true, fill: 60_000, ends: [at, at + 180_000] });
    const series = chart.kind === 'chart' ? (chart.option['series'] as { name: string; type: string; data: [number, number][] }[]) : [];
    expect(series.map((s) => [s.name, s.type])).toEqual([['High', 'bar'], ['Low', 'bar']]);
    expect(series.map((s) => s.data.map(([, v]) => v))).toEqual([[0, 0, 2, 0], [1, 0, 0, 0]]);
  });
});

describe('courses', () => {
  it('give every bin of the range its place', () => {
    const at = Date.parse('2026-01-01T00:00:00Z');
    expect(course([['2026-01-01T00:01:00Z', 4], ['2026-01-01T00:03:00Z', 2]], 0, 1, 60, [at, at + 240_000])).toEqual([0, 4, 0, 2, 0]);
  });
});
