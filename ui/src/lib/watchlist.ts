// Watchlists: tables of texts that rules and queries read.
import type { LibraryItem, Rule } from '../api/types';

export interface Watchlist {
  id: string;
  /** What queries call it: `_GetWatchlist('alias')`; shipped ones are also functions of this name */
  alias: string;
  description: string;
  searchKey: string;
  columns: string[];
  rows: string[][];
  /** Functions through which it is read; only shipped lists have them */
  readBy: string[];
  item: LibraryItem;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value));

export function readWatchlist(item: LibraryItem): Watchlist {
  const body = (typeof item.body === 'object' && item.body !== null ? item.body : {}) as Record<string, unknown>;
  const columns = Array.isArray(body['columns']) ? body['columns'].map(text) : [];
  const rows = Array.isArray(body['rows']) ? body['rows'].map((row) => (Array.isArray(row) ? columns.map((_, i) => text(row[i])) : [])) : [];
  return {
    id: item.id,
    alias: item.name,
    description: item.description,
    searchKey: text(body['searchKey']) || (columns[0] ?? ''),
    columns,
    rows,
    readBy: Array.isArray(body['readBy']) ? body['readBy'].map(text) : [],
    item,
  };
}

export const watchlistBody = (list: Omit<Watchlist, 'item' | 'id' | 'alias'>): unknown => ({ description: list.description, searchKey: list.searchKey, columns: list.columns, rows: list.rows, readBy: list.readBy });

/** Rules whose query reads the list, by itself or through a function. */
export function rulesOf(list: Watchlist, rules: readonly Rule[]): Rule[] {
  const names = [...new Set([...(list.readBy.length > 0 ? list.readBy : []), ...(list.item.origin === 'kept' ? [] : [list.alias])])];
  const escaped = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const direct = new RegExp(`_GetWatchlist\\(\\s*['"]${list.alias.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}['"]`, 'i');
  const named = escaped.length === 0 ? null : new RegExp(`\\b(${escaped.join('|')})\\b`);
  return rules.filter((rule) => direct.test(rule.query) || (named?.test(rule.query) ?? false));
}

/** Rows of CSV (RFC 4180) or of lines; a first line that says the columns is taken as such. */
export function readCsv(content: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < content.length; i += 1) {
    const c = content[i] as string;
    if (quoted) {
      if (c === '"' && content[i + 1] === '"') {
        cell += '"';
        i += 1;
      } else if (c === '"') quoted = false;
      else cell += c;
    } else if (c === '"' && cell === '') quoted = true;
    else if (c === ',' || c === '\n') {
      row.push(cell.trim());
      cell = '';
      if (c === '\n') {
        rows.push(row);
        row = [];
      }
    } else if (c !== '\r') cell += c;
  }
  if (cell !== '' || row.length > 0) rows.push([...row, cell.trim()]);
  return rows.filter((one) => one.some((value) => value !== ''));
}
