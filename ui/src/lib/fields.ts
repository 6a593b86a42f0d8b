// What a column of a result holds.
import type { Json } from '../api/types';

export interface ColumnSummary {
  rows: number;
  distinct: number;
  /** There are more values than were counted */
  capped: boolean;
  empty: number;
  /** Commonest first */
  top: [Json, number][];
  /** Smallest and largest, of numbers and times */
  range: [Json, Json] | null;
}

const MOST = 50_000;
const TOP = 8;

export function summarizeColumn(rows: Json[][], index: number): ColumnSummary {
  const counts = new Map<string, [Json, number]>();
  let empty = 0;
  let capped = false;
  let least: number | string | null = null;
  let most: number | string | null = null;
  for (const row of rows) {
    const value = row[index] ?? null;
    if (value === null || value === '') {
      empty += 1;
      continue;
    }
    if (typeof value === 'number' || (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value))) {
      if (least === null || value < least) least = value;
      if (most === null || value > most) most = value;
    }
    const key = typeof value === 'object' ? JSON.stringify(value) : String(value);
    const found = counts.get(key);
    if (found) found[1] += 1;
    else if (counts.size < MOST) counts.set(key, [value, 1]);
    else capped = true;
  }
  const top = [...counts.values()].sort((a, b) => b[1] - a[1]).slice(0, TOP);
  return { rows: rows.length, distinct: counts.size, capped, empty, top, range: least === null || least === most ? null : [least, most] };
}
