import { describe, expect, it } from 'vitest';
import { shift, toRange, utf16Column } from './diagnostics';
import { toCsv } from './export';
import { addFilter, columnName, condition, evidenceQuery } from './kql';
import { parseMarkdown, plainText } from './markdown';
import { sortedIndexes } from './results';
import { closeTab, openQuery, tabName } from './tabs';
import { summarize } from './timeline';

describe('conditions written for people', () => {
  it('quotes what needs it', () => {
    expect(condition('User', 'string', 'a "b" \\c')).toBe('User == "a \\"b\\" \\\\c"');
    expect(condition('Code', 'int', 403, [], true)).toBe('Code != 403');
    expect(condition('At', 'datetime', '2026-01-01T00:00:00Z')).toBe('At == datetime(2026-01-01T00:00:00Z)');
    expect(condition('Name', 'string', '')).toBe('isempty(Name)');
    expect(condition('Code', 'int', null)).toBe('isnull(Code)');
    expect(columnName('odd name')).toBe('["odd name"]');
  });

  it('reaches into dynamic values', () => {
    expect(condition('Event', 'dynamic', 'alice', ['user', 'username'])).toBe('tostring(Event.user.username) == "alice"');
    expect(condition('Event', 'dynamic', 'x', ['sourceIPs', 0])).toBe('tostring(Event.sourceIPs[0]) == "x"');
    expect(condition('log_s', 'string', 'get', ['verb'])).toBe('tostring(parse_json(log_s).verb) == "get"');
    expect(condition('Event', 'dynamic', 7, ['annotations', 'a/b'])).toBe('tolong(Event.annotations["a/b"]) == 7');
  });

  it('go before a final render', () => {
    expect(addFilter('T\n| take 5', 'A == 1')).toBe('T\n| take 5\n| where A == 1');
    expect(addFilter('T\n| summarize n = count() by V\n| render piechart', 'n > 1')).toBe('T\n| summarize n = count() by V\n| where n > 1\n| render piechart');
  });

  it('find the events of an alert by their identifiers', () => {
    expect(evidenceQuery([{ name: 'AuditId' }], [['a'], ['b'], ['a']], 'rule')).toBe('KubernetesAudit\n| where AuditId in (\n    "a",\n    "b"\n)\n| sort by TimeGenerated asc');
    expect(evidenceQuery([{ name: 'Other' }], [['a']], 'rule')).toBe('rule');
  });
});

describe('places in the text', () => {
  it('counts characters as the server does and units as the editor does', () => {
    expect(utf16Column('a😀b', 3)).toBe(4);
    expect(toRange('x\n😀 bad', { line: 2, column: 3, offset: 4 }, { line: 2, column: 6, offset: 7 })).toEqual({ startLineNumber: 2, startColumn: 4, endLineNumber: 2, endColumn: 7 });
  });

  it('makes a place without width visible', () => {
    expect(toRange('take', { line: 1, column: 5, offset: 4 }, { line: 1, column: 5, offset: 4 })).toEqual({ startLineNumber: 1, startColumn: 4, endLineNumber: 1, endColumn: 5 });
  });

  it('moves with the selection that ran', () => {
    const [moved] = shift([{ severity: 'error', code: 'KQL001', message: '', start: { line: 1, column: 2, offset: 1 }, end: { line: 2, column: 3, offset: 9 } }], 4, 5);
    expect([moved?.start.line, moved?.start.column, moved?.end.line, moved?.end.column]).toEqual([4, 6, 5, 3]);
  });
});

describe('results', () => {
  it('sorts numbers as numbers, times as times, and what is missing last', () => {
    const order = (type: string, values: (string | number | null)[], descending = false): number[] => [...sortedIndexes([{ name: 'c', type }], values.map((v) => [v]), { column: 0, descending })];
    expect(order('long', [10, 9, null, 100])).toEqual([1, 0, 3, 2]);
    expect(order('long', [10, 9, null, 100], true)).toEqual([3, 0, 1, 2]);
    expect(order('datetime', ['2026-01-01T00:00:00.1Z', '2026-01-01T00:00:00Z'])).toEqual([1, 0]);
    expect(order('timespan', ['1.00:00:00', '23:00:00'])).toEqual([1, 0]);
  });

  it('become CSV that a spreadsheet does not run', () => {
    expect(toCsv([{ name: 'a', type: 'string' }, { name: 'b,c', type: 'long' }], [['=cmd()', -1], ['x "y"', null]])).toBe('a,"b,c"\r\n\'=cmd(),-1\r\n"x ""y""",\r\n');
  });
});

describe('comments', () => {
  it('become elements of the allowed kinds only', () => {
    expect(parseMarkdown('**b** and `c`\n\n- one\n- two')).toEqual([
      { kind: 'paragraph', lines: [[{ kind: 'strong', parts: [{ kind: 'text', text: 'b' }] }, { kind: 'text', text: ' and ' }, { kind: 'code', text: 'c' }]] },
      { kind: 'list', ordered: false, items: [[{ kind: 'text', text: 'one' }], [{ kind: 'text', text: 'two' }]] },
    ]);
    expect(parseMarkdown('[x](javascript:alert(1)) <img src=x>')[0]).toMatchObject({ kind: 'paragraph' });
    expect(JSON.stringify(parseMarkdown('[x](javascript:alert(1))'))).not.toContain('href');
    expect(parseMarkdown('system:serviceaccount:a_b_c')[0]).toEqual({ kind: 'paragraph', lines: [[{ kind: 'text', text: 'system:serviceaccount:a_b_c' }]] });
    expect(plainText('A **b**.\nMore.\n\nRest')).toBe('A b. More.');
  });
});

describe('query tabs', () => {
  const one = { list: [{ id: '1', text: 'A' }, { id: '2', text: '' }], active: '2' };
  it('shows a query where it already is, else in the empty tab, else in a new one', () => {
    expect(openQuery(one, 'A').active).toBe('1');
    expect(openQuery(one, 'B').list.map((t) => t.text)).toEqual(['A', 'B']);
    expect(openQuery({ ...one, active: '1' }, 'B').list).toHaveLength(3);
    expect(closeTab(one, '2')).toEqual({ list: [{ id: '1', text: 'A' }], active: '1' });
    expect(tabName('// why\nKubernetesAudit\n| take 5')).toBe('KubernetesAudit | take 5');
  });
});

describe('the story of an event', () => {
  it('says who did what to what from where', () => {
    const columns = ['User', 'EventType', 'Resource', 'Namespace', 'ObjectName', 'SourceIPs'].map((name) => ({ name, type: 'string' }));
    expect(summarize(columns, [{ username: 'mallory' }, 'Exec', 'pods', 'prod', 'web-0', ['10.0.0.1']])).toBe('mallory exec pods prod/web-0 from 10.0.0.1');
    expect(summarize([{ name: 'Username', type: 'string' }, { name: 'Command', type: 'string' }], ['mallory', 'sh -c id'])).toBe('mallory: sh -c id');
  });
});
