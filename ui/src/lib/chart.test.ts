import { dense } from './dense';
import { describe, expect, it } from 'vitest';
import type { Json, Render, ResultColumn } from '../api/types';
import { buildChart, chartKind, compact, suggestKind, timespanSeconds, type ChartKind, type Palette } from './chart';

const palette: Palette = { series: ['#111'], text: '#000', muted: '#555', line: '#ddd', surface: '#fff', font: 'x' };
const columns = (...pairs: [string, string][]): ResultColumn[] => pairs.map(([name, type]) => ({ name, type }));
interface Option {
  series: { name: string; type: string; stack?: string; data: unknown[] }[];
  xAxis: { type: string; data?: string[] };
  yAxis: { type: string; data?: string[]; max?: number };
}
function option(kind: ChartKind, cols: ResultColumn[], rows: Json[][], render: Render | null = null): Option {
  const chart = buildChart(kind, cols, rows, render, palette);
  if (chart.kind !== 'chart') throw new Error(JSON.stringify(chart));
  return chart.option as unknown as Option;
}

const byVerb = columns(['TimeGenerated', 'datetime'], ['Verb', 'string'], ['count_', 'long']);
const rows: Json[][] = [
  ['2026-01-01T01:00:00Z', 'get', 5],
  ['2026-01-01T00:00:00Z', 'get', 3],
  ['2026-01-01T00:00:00Z', 'list', 2],
];

describe('charts of render', () => {
  it('draws one line for each value of a text column, in order of time', () => {
    const { series, xAxis } = option('timechart', byVerb, rows);
    expect(xAxis.type).toBe('time');
    expect(series.map((s) => [s.name, s.type])).toEqual([['get', 'line'], ['list', 'line']]);
    expect(series[0]?.data).toEqual([[Date.parse('2026-01-01T00:00:00Z'), 3], [Date.parse('2026-01-01T01:00:00Z'), 5]]);
  });

  it('draws bars across and columns upright, stacked unless asked otherwise', () => {
    const cols = columns(['User', 'string'], ['Events', 'long']);
    const data: Json[][] = [['a', 3], ['b', 1]];
    expect(option('barchart', cols, data).yAxis).toMatchObject({ type: 'category', data: ['a', 'b'] });
    expect(option('columnchart', cols, data).xAxis).toMatchObject({ type: 'category', data: ['a', 'b'] });
    expect(option('columnchart', cols, data).series[0]?.stack).toBe('all');
    expect(option('columnchart', cols, data, { visualization: 'columnchart', kind: 'unstacked' }).series[0]?.stack).toBeUndefined();
  });

  it('puts columns of times in order', () => {
    expect(option('columnchart', byVerb, rows).xAxis.data).toEqual(['2026-01-01 00:00', '2026-01-01 01:00']);
  });

  it('shares out a hundred percent when stacked100 is asked', () => {
    const { series, yAxis } = option('columnchart', columns(['Ns', 'string'], ['Verb', 'string'], ['n', 'long']), [['x', 'get', 1], ['x', 'list', 3]], { visualization: 'columnchart', kind: 'stacked100' });
    expect(series.map((s) => s.data)).toEqual([[25], [75]]);
    expect(yAxis.max).toBe(100);
  });

  it('obeys xcolumn, ycolumns and series', () => {
    const cols = columns(['a', 'long'], ['b', 'long'], ['c', 'long'], ['who', 'string']);
    const { series } = option('linechart', cols, [[1, 10, 100, 'x'], [2, 20, 200, 'x']], { visualization: 'linechart', xColumn: 'b', yColumns: ['c'], series: ['who'] });
    expect(series).toHaveLength(1);
    expect(series[0]).toMatchObject({ name: 'x', data: [[10, 100], [20, 200]] });
  });

  it('puts the small slices of a pie together', () => {
    const many: Json[][] = Array.from({ length: 20 }, (_, i) => [`u${i}`, 20 - i]);
    const pie = option('piechart', columns(['User', 'string'], ['n', 'long']), many) as unknown as { series: { data: { name: string; value: number }[] }[] };
    expect(pie.series[0]?.data).toHaveLength(13);
    expect(pie.series[0]?.data.at(-1)).toEqual({ name: '8 others', value: 36 });
  });

  it('reads numbers from decimal texts and timespans, and skips what is none', () => {
    expect(option('barchart', columns(['u', 'string'], ['d', 'decimal']), [['a', '1.50'], ['b', 'NaN'], ['c', null]]).series[0]?.data).toEqual([1.5]);
    expect(timespanSeconds('1.02:03:04.5')).toBe(93784.5);
    expect(timespanSeconds('-00:00:10')).toBe(-10);
  });

  it('says why there is no chart', () => {
    expect(buildChart('timechart', columns(['u', 'string'], ['n', 'long']), [['a', 1]], null, palette)).toMatchObject({ kind: 'none', reason: expect.stringContaining('datetime') as string });
    expect(buildChart('barchart', columns(['u', 'string']), [['a']], null, palette)).toMatchObject({ kind: 'none', reason: expect.stringContaining('numbers') as string });
    expect(buildChart('barchart', byVerb, [], null, palette)).toMatchObject({ kind: 'none' });
  });

  it('shows a card for each column of the first row', () => {
    expect(buildChart('card', columns(['Events', 'long'], ['Top', 'string']), [[1234567, 'x']], null, palette)).toEqual({ kind: 'card', cards: [{ label: 'Events', value: '1,234,567' }, { label: 'Top', value: 'x' }] });
  });

  it('knows the kinds, and suggests one', () => {
    expect(chartKind({ visualization: 'TimeChart' })).toBe('timechart');
    expect(chartKind({ visualization: 'graph' })).toBeNull();
    expect(suggestKind(byVerb)).toBe('timechart');
    expect(suggestKind(columns(['u', 'string']))).toBeNull();
    expect([999, 12_345, 3_400_000].map(compact)).toEqual(['999', '12.3 k', '3.4 M']);
  });
});

it('turns many rows into columns of numbers, a line for each group', () => {
  const columns = [{ name: 'TimeGenerated', type: 'datetime' }, { name: 'Verb', type: 'string' }, { name: 'count_', type: 'long' }];
  const rows = [['2026-01-02T00:00:10Z', 'get', 2], ['2026-01-02T00:00:00Z', 'get', 1], ['2026-01-02T00:00:00Z', 'list', 5]];
  const found = dense(columns, rows, null);
  const start = Date.parse('2026-01-02T00:00:00Z') / 1000;
  expect([...(found?.x ?? [])]).toEqual([start, start + 10]);
  expect(found?.series).toEqual([{ name: 'get', values: [1, 2] }, { name: 'list', values: [5, null] }]);
  expect(dense([{ name: 'a', type: 'string' }], [['x']], null)).toBeNull();
});
