// From the rows of a result and what `render` asked for to a chart. Pure, so that it can be tested
// without a browser; the drawing itself is in `components/Chart`.
//
// Which column is x, y and series follows Kusto's `render`: x is `xcolumn` or the first fitting
// column, the series are the text columns after it, y is every number that is left.
// https://learn.microsoft.com/kusto/query/render-operator
import type { Json, Render, ResultColumn } from '../api/types';

export const CHART_KINDS = [
  'timechart',
  'linechart',
  'areachart',
  'columnchart',
  'barchart',
  'piechart',
  'scatterchart',
  'anomalychart',
  'ladderchart',
  'timepivot',
  'pivotchart',
  'treemap',
  'card',
] as const;
export type ChartKind = (typeof CHART_KINDS)[number];

export const CHART_NAMES: Record<ChartKind, string> = {
  timechart: 'Time chart',
  linechart: 'Line chart',
  areachart: 'Area chart',
  columnchart: 'Column chart',
  barchart: 'Bar chart',
  piechart: 'Pie chart',
  scatterchart: 'Scatter chart',
  anomalychart: 'Anomaly chart',
  ladderchart: 'Ladder chart',
  timepivot: 'Time pivot',
  pivotchart: 'Heat map',
  treemap: 'Tree map',
  card: 'Card',
};

export interface Palette {
  series: string[];
  text: string;
  muted: string;
  line: string;
  surface: string;
  font: string;
  /** Names that have a colour of their own wherever they occur: severities, statuses */
  named?: Record<string, string>;
}

/** How a chart is to look where the page knows more than the rows. */
export interface Look {
  /** Small: legend below, no titles */
  compact?: boolean;
  /** Bars on a time axis instead of lines, stacked */
  bars?: boolean;
  /** First and last instant of the time axis */
  ends?: [number, number];
  /** Milliseconds of a bin: bins without rows are drawn as 0 */
  fill?: number;
}

export interface Card {
  label: string;
  value: string;
}

export type Chart =
  | { kind: 'chart'; option: Record<string, unknown>; points: number; cut: boolean }
  | { kind: 'card'; cards: Card[] }
  | { kind: 'none'; reason: string };

/** More than this is not readable, and slow to draw. */
const MAX_SERIES = 40;
const MAX_CATEGORIES = 500;
const MAX_SLICES = 12;

const NUMERIC = new Set(['int', 'long', 'real', 'decimal', 'timespan']);

export const isNumeric = (column: ResultColumn): boolean => NUMERIC.has(column.type);

/** A cell as a number, or null when it is none. */
export function toNumber(value: Json | undefined, type: string): number | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (type === 'timespan' && typeof value === 'string') return timespanSeconds(value);
  if (typeof value === 'string' && value !== '') {
    const number = Number(value);
    return Number.isFinite(number) ? number : null;
  }
  return null;
}

/** `1.02:03:04.5` in seconds. */
export function timespanSeconds(text: string): number | null {
  const match = /^(-)?(?:(\d+)\.)?(\d\d):(\d\d):(\d\d)(\.\d+)?$/.exec(text);
  if (!match) return null;
  const part = (i: number): number => Number(match[i] ?? 0);
  const seconds = part(2) * 86_400 + part(3) * 3600 + part(4) * 60 + part(5) + part(6);
  return match[1] === '-' ? -seconds : seconds;
}

/** The kind of chart that `render` named, when it is one we draw. */
export function chartKind(render: Render | null | undefined): ChartKind | 'table' | null {
  const name = render?.visualization?.toLowerCase();
  if (name === undefined || name === '') return null;
  if (name === 'table') return 'table';
  if (name === 'stackedareachart') return 'areachart';
  return (CHART_KINDS as readonly string[]).includes(name) ? (name as ChartKind) : null;
}

/** A fitting kind for rows that no `render` came with. */
export function suggestKind(columns: ResultColumn[]): ChartKind | null {
  if (!columns.some(isNumeric)) return null;
  if (columns.some((c) => c.type === 'datetime')) return 'timechart';
  if (columns.every(isNumeric)) return columns.length >= 2 ? 'scatterchart' : 'card';
  return 'barchart';
}

const names = (value: string[] | string | null | undefined): string[] =>
  Array.isArray(value) ? value : typeof value === 'string' && value !== '' ? value.split(',').map((v) => v.trim()) : [];

export const label = (value: Json | undefined): string =>
  value === null || value === undefined || value === ''
    ? '(empty)'
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value);

interface Roles {
  x: number;
  ys: number[];
  split: number[];
}

export function roles(kind: ChartKind, columns: ResultColumn[], render: Render | null): Roles | string {
  const index = (name: string): number => columns.findIndex((c) => c.name === name);
  let x = render?.xColumn ? index(render.xColumn) : -1;
  if (x < 0) {
    if (kind === 'timechart') x = columns.findIndex((c) => c.type === 'datetime');
    else if (kind === 'linechart' || kind === 'areachart' || kind === 'scatterchart') {
      x = columns.findIndex((c) => c.type === 'datetime');
      if (x < 0) x = columns.findIndex(isNumeric);
      if (x >= 0 && columns.filter(isNumeric).length < (isNumeric(columns[x] as ResultColumn) ? 2 : 1)) x = -1;
      if (x < 0) x = 0;
    } else {
      x = columns.findIndex((c) => !isNumeric(c));
      if (x < 0) x = 0;
    }
  }
  if (x < 0) return 'A time chart needs a datetime column, for example from summarize … by bin(TimeGenerated, 1h).';
  const wanted = names(render?.yColumns).map(index).filter((i) => i >= 0);
  const ys = wanted.length > 0 ? wanted : columns.map((_, i) => i).filter((i) => i !== x && isNumeric(columns[i] as ResultColumn));
  if (ys.length === 0) return 'This chart needs a column of numbers, for example from summarize count() by ….';
  const series = names(render?.series).map(index).filter((i) => i >= 0 && i !== x);
  const split =
    series.length > 0
      ? series
      : columns
          .map((_, i) => i)
          .filter((i) => i !== x && !ys.includes(i) && ['string', 'guid', 'bool', 'dynamic'].includes((columns[i] as ResultColumn).type));
  return { x, ys, split };
}

interface Series {
  name: string;
  points: Map<string, [Json, number]>;
}

function collect(columns: ResultColumn[], rows: Json[][], { x, ys, split }: Roles): { series: Series[]; xs: Json[]; cut: boolean } {
  const found = new Map<string, Series>();
  const xs = new Map<string, Json>();
  let cut = false;
  for (const row of rows) {
    const at = row[x] ?? null;
    const key = label(at);
    const group = split.map((i) => label(row[i])).join(' · ');
    for (const y of ys) {
      const column = columns[y] as ResultColumn;
      const value = toNumber(row[y], column.type);
      if (value === null) continue;
      const name = group === '' ? column.name : ys.length > 1 ? `${group} · ${column.name}` : group;
      let series = found.get(name);
      if (series === undefined) {
        if (found.size >= MAX_SERIES) {
          cut = true;
          continue;
        }
        series = { name, points: new Map() };
        found.set(name, series);
      }
      xs.set(key, at);
      series.points.set(key, [at, value]);
    }
  }
  return { series: [...found.values()], xs: [...xs.values()], cut };
}

/** Builds the chart, or says in words why these rows cannot be one. */
export function buildChart(
  kind: ChartKind,
  columns: ResultColumn[],
  rows: Json[][],
  render: Render | null,
  palette: Palette,
  look: Look = {},
): Chart {
  if (rows.length === 0) return { kind: 'none', reason: 'There are no rows to draw.' };
  if (kind === 'card') return card(columns, rows);
  if (kind === 'treemap') return treemap(columns, rows, palette);
  if (kind === 'pivotchart') return heatmap(columns, rows, palette);
  if (kind === 'ladderchart') return ladder(columns, rows, render, palette);
  if (kind === 'timepivot') return timepivot(columns, rows, palette);
  const flags = kind === 'anomalychart' ? anomalies(columns, render) : [];
  const found = roles(kind === 'anomalychart' ? 'timechart' : kind, columns, render);
  if (typeof found === 'string') return { kind: 'none', reason: found };
  if (flags.length > 0) found.ys = found.ys.filter((y) => !flags.some(([flag]) => flag === y));
  const { series, xs, cut } = collect(columns, rows, found);
  if (look.fill !== undefined && columns[found.x]?.type === 'datetime') {
    const times = xs.map((x) => Date.parse(String(x)));
    fill(series, xs, look.fill, look.ends ?? [Math.min(...times), Math.max(...times)]);
  }
  // Times stand in their order, whatever the order of the rows.
  if (columns[found.x]?.type === 'datetime') xs.sort((a, b) => Date.parse(String(a)) - Date.parse(String(b)));
  if (look.compact) largestFirst(series);
  order(series, palette);
  if (series.length === 0) return { kind: 'none', reason: 'The number column holds no numbers in these rows.' };
  if (kind === 'piechart') return pie(columns, rows, found, render, palette, look);

  const xColumn = columns[found.x] as ResultColumn;
  const yTitle = render?.yTitle ?? (found.ys.length === 1 ? (columns[found.ys[0] as number] as ResultColumn).name : '');
  const stacked = look.bars ? 'sum' : stacking(kind, render);
  const share = stacked === 'share' ? totals(series) : null;
  const timed = xColumn.type === 'datetime' && kind !== 'barchart' && kind !== 'columnchart';
  const numeric = isNumeric(xColumn) && kind !== 'barchart' && kind !== 'columnchart';
  const categories = timed || numeric ? [] : xs.map((v) => (xColumn.type === 'datetime' ? shortTime(v) : label(v))).slice(0, MAX_CATEGORIES);
  const horizontal = kind === 'barchart';
  const bars = look.bars === true && timed;

  const data = (one: Series): unknown[] => {
    const value = (key: string, v: number): number => (share === null ? v : (100 * v) / (share.get(key) || 1));
    if (timed) {
      return [...one.points].map(([key, [at, v]]) => [Date.parse(String(at)), value(key, v)]).sort((a, b) => (a[0] as number) - (b[0] as number));
    }
    if (numeric) {
      return [...one.points].map(([key, [at, v]]) => [toNumber(at, xColumn.type), value(key, v)]).sort((a, b) => (a[0] as number) - (b[0] as number));
    }
    return xs.slice(0, MAX_CATEGORIES).map((at) => {
      const point = one.points.get(label(at));
      return point === undefined ? null : value(label(at), point[1]);
    });
  };

  const many = series.length > 1 || (look.compact === true && found.split.length > 0);
  const compactLegend = look.compact === true && many && render?.legend !== 'hidden';
  const longest = Math.max(...series.map((one) => one.name.length));
  const legendWidth = Math.min(190, Math.max(60, longest * 6.6)) + 46;
  const axisText = { color: palette.muted, fontFamily: palette.font, fontSize: 11 };
  const valueAxis = {
    type: 'value',
    name: horizontal || look.compact ? '' : yTitle,
    nameTextStyle: { ...axisText, align: 'left' },
    min: bound(render?.yMin),
    max: share === null ? bound(render?.yMax) : 100,
    axisLabel: { ...axisText, formatter: share === null ? compact : '{value} %' },
    splitLine: { lineStyle: { color: palette.line } },
    ...(look.compact ? { splitNumber: 3, minInterval: 1 } : {}),
  };
  const otherAxis = {
    type: timed ? 'time' : numeric ? 'value' : 'category',
    name: render?.xTitle ?? '',
    nameLocation: 'middle',
    nameGap: 28,
    nameTextStyle: axisText,
    ...(timed || numeric ? { scale: true } : { data: categories, inverse: horizontal }),
    ...(timed && look.ends ? { min: look.ends[0], max: look.ends[1] } : {}),
    axisLabel: { ...axisText, hideOverlap: true, ...(horizontal ? { width: 180, overflow: 'truncate' } : {}) },
    axisLine: { lineStyle: { color: palette.line } },
    axisTick: { show: false },
    splitLine: { show: false },
  };

  const option: Record<string, unknown> = {
    color: palette.series,
    animation: false,
    textStyle: { fontFamily: palette.font, color: palette.text },
    aria: { enabled: true },
    title: render?.title ? { text: render.title, left: 12, top: 6, textStyle: { color: palette.text, fontSize: 13, fontWeight: 600 } } : undefined,
    grid: look.compact
      ? { left: 12, right: 16, top: 14, bottom: compactLegend ? 34 : 10, containLabel: true }
      : { left: 16, right: many && render?.legend !== 'hidden' ? legendWidth : 24, top: render?.title ? 52 : 36, bottom: render?.xTitle ? 40 : 16, containLabel: true },
    legend: compactLegend
      ? {
          type: 'scroll',
          bottom: 6,
          left: 12,
          right: 12,
          icon: 'roundRect',
          itemWidth: 9,
          itemHeight: 9,
          itemGap: 12,
          textStyle: { color: palette.muted, fontSize: 11, width: 130, overflow: 'truncate' },
          pageTextStyle: { color: palette.muted },
          pageIconColor: palette.text,
          pageIconInactiveColor: palette.line,
          pageIconSize: 10,
        }
      : many && render?.legend !== 'hidden'
      ? {
          type: 'scroll',
          orient: 'vertical',
          right: 12,
          top: 36,
          bottom: 12,
          icon: 'roundRect',
          itemWidth: 10,
          itemHeight: 10,
          textStyle: { color: palette.text, fontSize: 11, width: legendWidth - 40, overflow: 'truncate' },
          pageTextStyle: { color: palette.muted },
          pageIconColor: palette.text,
          pageIconInactiveColor: palette.line,
          tooltip: { show: true },
        }
      : undefined,
    tooltip: {
      trigger: kind === 'scatterchart' ? 'item' : 'axis',
      axisPointer: { type: horizontal || kind === 'columnchart' ? 'shadow' : 'line' },
      backgroundColor: palette.surface,
      borderColor: palette.line,
      textStyle: { color: palette.text, fontSize: 12 },
      confine: true,
      appendTo: 'body',
      order: 'valueDesc',
    },
    xAxis: horizontal ? valueAxis : otherAxis,
    yAxis: horizontal ? otherAxis : valueAxis,
    series: series.map((one) => ({
      name: one.name,
      type: bars ? 'bar' : seriesType(kind),
      ...(palette.named?.[one.name] === undefined ? {} : { color: palette.named[one.name] }),
      data: data(one),
      ...(stacked === 'none' ? {} : { stack: 'all' }),
      ...(kind === 'areachart' ? { areaStyle: { opacity: 0.25 } } : {}),
      ...(seriesType(kind) === 'line' && !bars ? { showSymbol: !look.compact && one.points.size < 60, symbolSize: 5, lineStyle: { width: 1.75 } } : {}),
      ...(bars ? { barMaxWidth: 22, itemStyle: { borderRadius: 1 } } : {}),
      ...(seriesType(kind) === 'bar' && !bars ? { barMaxWidth: 36, itemStyle: { borderRadius: horizontal ? [0, 3, 3, 0] : [3, 3, 0, 0] } } : {}),
      ...(kind === 'scatterchart' ? { symbolSize: 7 } : {}),
    })),
  };
  for (const [flag, y] of flags) {
    // A point on the line wherever the flag is not 0: red above, hollow below.
    const at = y ?? found.ys[0];
    if (at === undefined) continue;
    (option['series'] as unknown[]).push({
      name: (columns[flag] as ResultColumn).name,
      type: 'scatter',
      symbolSize: 9,
      color: palette.named?.['High'] ?? palette.series[4],
      z: 5,
      data: rows
        .filter((row) => (toNumber(row[flag], (columns[flag] as ResultColumn).type) ?? 0) !== 0)
        .map((row) => [Date.parse(String(row[found.x])), toNumber(row[at], (columns[at] as ResultColumn).type)])
        .filter(([, v]) => v !== null),
    });
  }
  const points = series.reduce((sum, s) => sum + s.points.size, 0);
  return { kind: 'chart', option, points, cut: cut || (categories.length > 0 && xs.length > MAX_CATEGORIES) };
}

function seriesType(kind: ChartKind): 'line' | 'bar' | 'scatter' {
  if (kind === 'barchart' || kind === 'columnchart') return 'bar';
  return kind === 'scatterchart' ? 'scatter' : 'line';
}

function stacking(kind: ChartKind, render: Render | null): 'none' | 'sum' | 'share' {
  const asked = render?.kind?.toLowerCase();
  if (asked === 'stacked100') return 'share';
  if (asked === 'stacked' || render?.visualization?.toLowerCase() === 'stackedareachart') return 'sum';
  if (asked === 'unstacked') return 'none';
  return kind === 'columnchart' || kind === 'barchart' ? 'sum' : 'none';
}

function totals(series: Series[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const one of series) for (const [key, [, v]] of one.points) sums.set(key, (sums.get(key) ?? 0) + v);
  return sums;
}

const bound = (value: number | string | null | undefined): number | undefined => {
  if (value === null || value === undefined || value === '') return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
};

/** `1.2 k`, `3.4 M`: short enough for an axis. */
export function compact(value: number): string {
  const size = Math.abs(value);
  const cut = (n: number): string => String(Math.round(n * 10) / 10);
  if (size >= 1e9) return `${cut(value / 1e9)} G`;
  if (size >= 1e6) return `${cut(value / 1e6)} M`;
  if (size >= 1e4) return `${cut(value / 1e3)} k`;
  return String(Math.round(value * 1000) / 1000);
}

function shortTime(value: Json): string {
  return String(value).replace('T', ' ').replace(/(:00)?(\.\d+)?Z$/, '');
}

function pie(columns: ResultColumn[], rows: Json[][], { x, ys }: Roles, render: Render | null, palette: Palette, look: Look = {}): Chart {
  const y = ys[0] as number;
  const sums = new Map<string, number>();
  for (const row of rows) {
    const value = toNumber(row[y], (columns[y] as ResultColumn).type);
    if (value === null || value < 0) continue;
    const name = label(row[x]);
    sums.set(name, (sums.get(name) ?? 0) + value);
  }
  const sorted = [...sums].sort((a, b) => b[1] - a[1]);
  const shown: { name: string; value: number }[] = sorted.slice(0, MAX_SLICES).map(([name, value]) => ({ name, value }));
  const rest = sorted.slice(MAX_SLICES);
  if (rest.length > 0) shown.push({ name: `${rest.length} others`, value: rest.reduce((sum, [, v]) => sum + v, 0) });
  return {
    kind: 'chart',
    points: shown.length,
    cut: false,
    option: {
      color: palette.series,
      animation: false,
      aria: { enabled: true },
      textStyle: { fontFamily: palette.font, color: palette.text },
      title: render?.title ? { text: render.title, left: 12, top: 6, textStyle: { color: palette.text, fontSize: 13 } } : undefined,
      tooltip: { trigger: 'item', backgroundColor: palette.surface, borderColor: palette.line, textStyle: { color: palette.text, fontSize: 12 }, formatter: '{b}: {c} ({d} %)', confine: true, appendTo: 'body' },
      legend: look.compact
        ? {
            type: 'scroll',
            orient: 'vertical',
            left: '56%',
            top: 'middle',
            icon: 'roundRect',
            itemWidth: 9,
            itemHeight: 9,
            textStyle: { color: palette.text, fontSize: 11.5 },
            pageTextStyle: { color: palette.muted },
            pageIconColor: palette.text,
            formatter: (name: string) => {
              const slice = shown.find((one) => one.name === name);
              const all = shown.reduce((sum, one) => sum + one.value, 0);
              const short = name.length > 20 ? `${name.slice(0, 19)}…` : name;
              return slice === undefined || all === 0 ? short : `${short}  ${compact((100 * slice.value) / all)} %`.replace(/(\.\d)\d+ %$/, '$1 %');
            },
          }
        : undefined,
      series: [
        {
          type: 'pie',
          radius: look.compact ? ['38%', '60%'] : ['45%', '72%'],
          data: shown.map((slice) => (palette.named?.[slice.name] === undefined ? slice : { ...slice, itemStyle: { color: palette.named[slice.name] } })),
          itemStyle: { borderColor: palette.surface, borderWidth: 2 },
          ...(look.compact ? { center: ['29%', '50%'] } : {}),
          label: { show: look.compact !== true, color: palette.text, fontSize: 11, formatter: '{b}  {d} %' },
          labelLine: { lineStyle: { color: palette.line } },
        },
      ],
    },
  };
}

function card(columns: ResultColumn[], rows: Json[][]): Chart {
  const row = rows[0] ?? [];
  const cards = columns.map((column, i) => {
    const number = isNumeric(column) && column.type !== 'timespan' ? toNumber(row[i], column.type) : null;
    return { label: column.name, value: number === null ? label(row[i]) : number.toLocaleString('en-US', { maximumFractionDigits: 3 }) };
  });
  return { kind: 'card', cards };
}

/** Severities and statuses stand in their own order, whatever the order of the rows. */
function order(series: Series[], palette: Palette): void {
  const known = Object.keys(palette.named ?? {});
  if (series.every((one) => known.includes(one.name))) series.sort((a, b) => known.indexOf(a.name) - known.indexOf(b.name));
}

/** Of stacked series the largest stands at the bottom, so that the small ones are seen. */
function largestFirst(series: Series[]): void {
  const sum = (one: Series): number => [...one.points.values()].reduce((total, [, v]) => total + v, 0);
  const sums = new Map(series.map((one) => [one, sum(one)]));
  series.sort((a, b) => (sums.get(b) ?? 0) - (sums.get(a) ?? 0));
}

/** Puts a 0 into every bin of the range that has no row. */
function fill(series: Series[], xs: Json[], bin: number, [start, end]: [number, number]): void {
  if ((end - start) / bin > 2000) return;
  const first = Math.floor(start / bin) * bin;
  const known = new Set(xs.map((x) => Date.parse(String(x))));
  for (const one of series) {
    const have = new Set([...one.points.values()].map(([at]) => Date.parse(String(at))));
    for (let at = first; at <= end; at += bin) {
      if (have.has(at)) continue;
      const text = new Date(at).toISOString();
      one.points.set(`+${text}`, [text, 0]);
      if (!known.has(at)) {
        known.add(at);
        xs.push(text);
      }
    }
  }
}

/** The columns that flag anomalies with the column each belongs to: those named, else names that say so. */
function anomalies(columns: ResultColumn[], render: Render | null): [number, number | undefined][] {
  const named = names(render?.['anomalyColumns'] as string[] | string | null | undefined);
  const flags = columns.map((c, i) => [c, i] as const).filter(([c]) => (named.length > 0 ? named.includes(c.name) : /anomal|flag/i.test(c.name) && isNumeric(c)));
  return flags.map(([c, i]) => {
    const base = columns.findIndex((other, j) => j !== i && isNumeric(other) && c.name.toLowerCase().includes(other.name.toLowerCase()));
    return [i, base < 0 ? undefined : base];
  });
}

const base = (palette: Palette): Record<string, unknown> => ({
  color: palette.series,
  animation: false,
  aria: { enabled: true },
  textStyle: { fontFamily: palette.font, color: palette.text },
  tooltip: { trigger: 'item', backgroundColor: palette.surface, borderColor: palette.line, textStyle: { color: palette.text, fontSize: 12 }, confine: true, appendTo: 'body' },
});

interface Leaf {
  name: string;
  value: number;
  children?: Leaf[];
}

/** Text columns are the levels, the first number is the area. */
function treemap(columns: ResultColumn[], rows: Json[][], palette: Palette): Chart {
  const y = columns.findIndex(isNumeric);
  const levels = columns.map((_, i) => i).filter((i) => !isNumeric(columns[i] as ResultColumn));
  if (y < 0 || levels.length === 0) return { kind: 'none', reason: 'A tree map needs a column of names and a column of numbers.' };
  const root: Leaf = { name: '', value: 0, children: [] };
  let points = 0;
  for (const row of rows) {
    const value = toNumber(row[y], (columns[y] as ResultColumn).type);
    if (value === null || value <= 0) continue;
    points += 1;
    let at = root;
    for (const level of levels.slice(0, 3)) {
      const name = label(row[level]);
      at.children ??= [];
      let next = at.children.find((child) => child.name === name);
      if (next === undefined) at.children.push((next = { name, value: 0 }));
      next.value += value;
      at = next;
    }
  }
  return {
    kind: 'chart',
    points,
    cut: false,
    option: {
      ...base(palette),
      series: [
        {
          type: 'treemap',
          data: root.children,
          roam: false,
          nodeClick: false,
          breadcrumb: { show: false },
          width: '100%',
          height: '100%',
          label: { color: '#fff', fontSize: 11, formatter: '{b}\n{c}', textBorderColor: 'rgba(0,0,0,0.55)', textBorderWidth: 2 },
          upperLabel: { show: levels.length > 1, height: 20, color: palette.text, fontSize: 11, backgroundColor: 'transparent' },
          itemStyle: { borderColor: palette.surface, borderWidth: 1, gapWidth: 1 },
          levels: [{}, { itemStyle: { borderColor: palette.line, borderWidth: 2, gapWidth: 2 }, colorSaturation: [0.4, 0.6] }],
        },
      ],
    },
  };
}

/** Two columns of names (or bins) and a number: a field of cells. */
function heatmap(columns: ResultColumn[], rows: Json[][], palette: Palette): Chart {
  const y = columns.findIndex((c) => isNumeric(c));
  const axes = columns.map((_, i) => i).filter((i) => i !== y);
  const [across, down] = axes;
  if (y < 0 || across === undefined || down === undefined) return { kind: 'none', reason: 'A heat map needs two columns of names or times and a column of numbers.' };
  const show = (value: Json | undefined, type: string): string => (type === 'datetime' ? shortTime(value ?? null) : label(value));
  const xs: string[] = [];
  const ys: string[] = [];
  const sums = new Map<string, number>();
  const ordered = columns[across]?.type === 'datetime' ? [...rows].sort((a, b) => String(a[across]).localeCompare(String(b[across]))) : rows;
  for (const row of ordered) {
    const x = show(row[across], columns[across]?.type ?? '');
    const d = show(row[down], columns[down]?.type ?? '');
    if (!xs.includes(x)) xs.push(x);
    if (!ys.includes(d)) ys.push(d);
    const value = toNumber(row[y], (columns[y] as ResultColumn).type) ?? 0;
    sums.set(`${xs.indexOf(x)} ${ys.indexOf(d)}`, (sums.get(`${xs.indexOf(x)} ${ys.indexOf(d)}`) ?? 0) + value);
  }
  const data = [...sums].map(([key, value]) => [...key.split(' ').map(Number), value]);
  const text = { color: palette.muted, fontSize: 11, fontFamily: palette.font };
  return {
    kind: 'chart',
    points: data.length,
    cut: false,
    option: {
      ...base(palette),
      grid: { left: Math.min(190, 22 + 6.6 * Math.max(...ys.map((y) => y.length))), right: 18, top: 12, bottom: 28 },
      xAxis: { type: 'category', data: xs, axisLabel: { ...text, hideOverlap: true }, axisTick: { show: false }, axisLine: { lineStyle: { color: palette.line } } },
      yAxis: { type: 'category', data: ys, inverse: true, axisLabel: { ...text, width: 168, overflow: 'truncate', interval: 0 }, axisTick: { show: false }, axisLine: { show: false } },
      visualMap: { show: false, min: 0, max: Math.max(1, ...sums.values()), inRange: { color: [palette.surface, palette.series[0]] } },
      series: [{ type: 'heatmap', data, itemStyle: { borderColor: palette.surface, borderWidth: 1 } }],
    },
  };
}

/** Bars between two times. */
function ladder(columns: ResultColumn[], rows: Json[][], render: Render | null, palette: Palette): Chart {
  const times = columns.map((_, i) => i).filter((i) => columns[i]?.type === 'datetime');
  const name = render?.xColumn ? columns.findIndex((c) => c.name === render.xColumn) : columns.findIndex((c) => c.type !== 'datetime' && !isNumeric(c));
  const [from, to] = times;
  if (from === undefined || to === undefined || name < 0) return { kind: 'none', reason: 'A ladder chart needs a column of names, one of start times and one of end times.' };
  const shown = rows.slice(0, MAX_CATEGORIES).map((row) => [label(row[name]), Date.parse(String(row[from])), Date.parse(String(row[to]))] as const);
  const axis = { color: palette.muted, fontSize: 11, fontFamily: palette.font };
  return {
    kind: 'chart',
    points: shown.length,
    cut: rows.length > MAX_CATEGORIES,
    option: {
      ...base(palette),
      grid: { left: 16, right: 24, top: 24, bottom: 16, containLabel: true },
      xAxis: { type: 'time', min: Math.min(...shown.map(([, a]) => a)), axisLabel: { ...axis, hideOverlap: true }, splitLine: { show: true, lineStyle: { color: palette.line } } },
      yAxis: { type: 'category', inverse: true, data: shown.map(([n]) => n), axisLabel: { ...axis, width: 220, overflow: 'truncate' }, axisTick: { show: false } },
      series: [
        { type: 'bar', stack: 'all', silent: true, itemStyle: { color: 'transparent' }, data: shown.map(([, a]) => a) },
        { type: 'bar', stack: 'all', barMaxWidth: 16, itemStyle: { borderRadius: 3 }, data: shown.map(([, a, b]) => Math.max(b - a, 1)) },
      ],
    },
  };
}

/** Events as points: across in time, down by name. */
function timepivot(columns: ResultColumn[], rows: Json[][], palette: Palette): Chart {
  const x = columns.findIndex((c) => c.type === 'datetime');
  const name = columns.findIndex((c, i) => i !== x && !isNumeric(c));
  if (x < 0 || name < 0) return { kind: 'none', reason: 'A time pivot needs a datetime column and a column of names.' };
  const ys = [...new Set(rows.map((row) => label(row[name])))].slice(0, 100);
  const axis = { color: palette.muted, fontSize: 11, fontFamily: palette.font };
  return {
    kind: 'chart',
    points: rows.length,
    cut: rows.length > 20_000,
    option: {
      ...base(palette),
      grid: { left: 16, right: 24, top: 16, bottom: 16, containLabel: true },
      xAxis: { type: 'time', axisLabel: { ...axis, hideOverlap: true }, splitLine: { show: true, lineStyle: { color: palette.line } } },
      yAxis: { type: 'category', inverse: true, data: ys, axisLabel: { ...axis, width: 240, overflow: 'truncate' }, splitLine: { show: true, lineStyle: { color: palette.line } }, axisTick: { show: false } },
      series: [{ type: 'scatter', symbolSize: 8, large: true, data: rows.slice(0, 20_000).map((row) => [Date.parse(String(row[x])), label(row[name])]) }],
    },
  };
}
