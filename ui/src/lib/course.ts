// How counts lie in time, for lines without axes: every bin of the range has its place, whether or not something is in it.
import type { Json } from '../api/types';

const MOST = 400;

/** `rows` with a time at `at` and a count at `value`; bins of `step` seconds between `ends`. */
export function course(rows: Json[][], at: number, value: number, step: number, ends: [number, number] | undefined): number[] {
  const bin = step * 1000;
  const found = new Map<number, number>();
  for (const row of rows) {
    const time = Math.floor(Date.parse(String(row[at])) / bin);
    if (!Number.isNaN(time)) found.set(time, (found.get(time) ?? 0) + Number(row[value] ?? 0));
  }
  if (found.size === 0) return [];
  const first = ends === undefined ? Math.min(...found.keys()) : Math.floor(ends[0] / bin);
  const last = ends === undefined ? Math.max(...found.keys()) : Math.floor(ends[1] / bin);
  if (last - first > MOST) return [...found].sort(([a], [b]) => a - b).map(([, count]) => count);
  return Array.from({ length: last - first + 1 }, (_, i) => found.get(first + i) ?? 0);
}
