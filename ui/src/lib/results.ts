// Rows of a result: order, text, widths. Works on indexes, so that a million rows stay one array.
import type { Json, ResultColumn } from '../api/types';
import { timespanSeconds } from './chart';
import { cellTime } from './time';

export interface SortBy {
  column: number;
  descending: boolean;
}

type Key = number | string | null;

function sortKey(value: Json | undefined, type: string): Key {
  if (value === null || value === undefined) return null;
  switch (type) {
    case 'datetime':
      // Without the Z, text order is time order whatever the length of the fraction.
      return String(value).replace(/Z$/, '');
    case 'timespan':
      return timespanSeconds(String(value)) ?? String(value);
    case 'int':
    case 'long':
    case 'real':
    case 'decimal': {
      const number = Number(value);
      return Number.isNaN(number) ? null : number;
    }
    default:
      if (typeof value === 'number') return value;
      if (typeof value === 'boolean') return value ? 1 : 0;
      return typeof value === 'string' ? value : JSON.stringify(value);
  }
}

/** The order in which to show the rows; what has no value comes last either way. */
export function sortedIndexes(columns: ResultColumn[], rows: Json[][], by: SortBy | null): Uint32Array {
  const indexes = Uint32Array.from({ length: rows.length }, (_, i) => i);
  if (by === null) return indexes;
  const type = columns[by.column]?.type ?? 'string';
  const keys = rows.map((row) => sortKey(row[by.column], type));
  const direction = by.descending ? -1 : 1;
  return indexes.sort((a, b) => {
    const x = keys[a] ?? null;
    const y = keys[b] ?? null;
    if (x === null || y === null) return x === y ? a - b : x === null ? 1 : -1;
    if (x === y) return a - b;
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x) < String(y) ? -1 : 1;
    return order * direction;
  });
}

/** A cell as one line of text. */
export function cellText(value: Json | undefined, type: string): string {
  if (value === null || value === undefined) return '';
  if (type === 'datetime' && typeof value === 'string') return cellTime(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A width that fits most of what a column holds. */
export function columnWidth(column: ResultColumn, index: number, rows: Json[][]): number {
  const head = column.name.length * 7.4 + column.type.length * 6 + 44;
  if (column.type === 'datetime') return Math.max(186, head);
  let longest = 0;
  for (const row of rows.slice(0, 80)) longest = Math.max(longest, cellText(row[index], column.type).length);
  return Math.round(Math.min(Math.max(head, longest * 7.25 + 22, 72), 440));
}
