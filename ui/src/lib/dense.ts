// Lines of many thousand points: the rows as columns of numbers, as uPlot draws them.
import type { Json, Render, ResultColumn } from '../api/types';
import { label, roles, toNumber } from './chart';

/** From here on drawing each point as an object takes too long. */
export const DENSE = 4_000;
const MOST_SERIES = 40;

export interface Dense {
  /** Seconds since 1970, growing */
  x: Float64Array;
  series: { name: string; values: (number | null)[] }[];
  cut: boolean;
}

/** Null: these rows are no lines over time. */
export function dense(columns: ResultColumn[], rows: Json[][], render: Render | null): Dense | null {
  const found = roles('timechart', columns, render);
  if (typeof found === 'string' || columns[found.x]?.type !== 'datetime') return null;
  const times = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i += 1) times[i] = Date.parse(String(rows[i]?.[found.x])) / 1000;
  const x = Float64Array.from(new Set(times.filter((at) => !Number.isNaN(at)))).sort();
  const place = new Map<number, number>();
  x.forEach((at, i) => place.set(at, i));
  const series = new Map<string, (number | null)[]>();
  let cut = false;
  rows.forEach((row, i) => {
    const at = place.get(times[i] as number);
    if (at === undefined) return;
    const group = found.split.map((one) => label(row[one])).join(' · ');
    for (const y of found.ys) {
      const column = columns[y] as ResultColumn;
      const name = group === '' ? column.name : found.ys.length > 1 ? `${group} · ${column.name}` : group;
      let values = series.get(name);
      if (values === undefined) {
        if (series.size >= MOST_SERIES) {
          cut = true;
          continue;
        }
        values = new Array<number | null>(x.length).fill(null);
        series.set(name, values);
      }
      values[at] = toNumber(row[y], column.type);
    }
  });
  return series.size === 0 ? null : { x, series: [...series].map(([name, values]) => ({ name, values })), cut };
}
