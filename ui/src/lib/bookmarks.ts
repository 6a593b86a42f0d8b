// Rows that somebody found worth keeping while hunting, and how they become part of an incident.
import type { FindingBody } from '../api/work';
import type { Entity, Json, LibraryItem, ResultColumn } from '../api/types';
import { ICON_TYPES, type EntityId } from './entities';
import { summarize } from './timeline';

export interface Bookmark {
  id: string;
  name: string;
  note: string;
  tags: string[];
  query: string;
  columns: ResultColumn[];
  rows: Json[][];
  tactics: string[];
  techniques: string[];
  /** The incident it became a part of */
  incident: number | null;
  item: LibraryItem;
}

const strings = (value: unknown): string[] => (Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string') : []);

export function readBookmark(item: LibraryItem): Bookmark {
  const body = (typeof item.body === 'object' && item.body !== null ? item.body : {}) as Record<string, unknown>;
  return {
    id: item.id,
    name: item.name,
    note: typeof body['note'] === 'string' ? body['note'] : '',
    tags: strings(body['tags']),
    query: typeof body['query'] === 'string' ? body['query'] : '',
    columns: Array.isArray(body['columns']) ? (body['columns'] as ResultColumn[]) : [],
    rows: Array.isArray(body['rows']) ? (body['rows'] as Json[][]) : [],
    tactics: strings(body['tactics']),
    techniques: strings(body['techniques']),
    incident: typeof body['incident'] === 'number' ? body['incident'] : null,
    item,
  };
}

export const bookmarkBody = (bookmark: Bookmark): unknown => ({
  description: bookmark.note,
  note: bookmark.note,
  tags: bookmark.tags,
  query: bookmark.query,
  columns: bookmark.columns,
  rows: bookmark.rows,
  tactics: bookmark.tactics,
  techniques: bookmark.techniques,
  incident: bookmark.incident,
});

/** Words with commas or spaces between them. */
export const readTags = (text: string): string[] => [...new Set(text.split(/[,\s]+/).map((tag) => tag.replace(/^#/, '')).filter((tag) => tag !== ''))].slice(0, 20);

const CELL = 4000;
/** A row as it is kept: what is very long is cut. */
export const keptRow = (row: Json[]): Json[] => row.map((value) => (typeof value === 'string' && value.length > CELL ? `${value.slice(0, CELL)}…` : value));

/** What a row is called when nobody names it. */
export function suggestName(columns: ResultColumn[], row: Json[]): string {
  const told = summarize(columns, row);
  return told.length > 120 ? `${told.slice(0, 119)}…` : told;
}

/** Things that a row names, by the columns that name things everywhere. */
export function entitiesOf(columns: ResultColumn[], rows: Json[][], find: (column: ResultColumn, value: Json, row: Json[], columns: ResultColumn[]) => EntityId | null): Entity[] {
  const found = new Map<string, Entity>();
  for (const row of rows) {
    columns.forEach((column, at) => {
      const id = find(column, row[at] ?? null, row, columns);
      if (id === null) return;
      const entity: Entity = { type: ICON_TYPES[id.kind], name: id.name, ...(id.namespace === undefined || id.namespace === '' ? {} : { namespace: id.namespace }) };
      found.set(JSON.stringify(entity), entity);
    });
  }
  return [...found.values()].slice(0, 50);
}

/** A bookmark as a finding of an incident. */
export function finding(bookmark: Bookmark, entities: Entity[], now = Date.now()): FindingBody {
  const time = bookmark.columns.findIndex((column) => column.type === 'datetime' && column.name === 'TimeGenerated');
  const any = time >= 0 ? time : bookmark.columns.findIndex((column) => column.type === 'datetime');
  const times = bookmark.rows.map((row) => Date.parse(String(row[any] ?? ''))).filter((at) => !Number.isNaN(at));
  const made = bookmark.item.updatedAt === null || bookmark.item.updatedAt === undefined ? now : Date.parse(bookmark.item.updatedAt);
  const cluster = bookmark.columns.findIndex((column) => column.name === 'Cluster');
  const clusters = new Set(bookmark.rows.map((row) => String(row[cluster] ?? '')));
  return {
    id: bookmark.id,
    title: bookmark.name,
    note: bookmark.note,
    query: bookmark.query,
    evidence: { columns: bookmark.columns, rows: bookmark.rows },
    entities,
    tactics: bookmark.tactics,
    techniques: bookmark.techniques,
    cluster: cluster >= 0 && clusters.size === 1 ? ([...clusters][0] as string) : '',
    firstActivity: new Date(times.length > 0 ? Math.min(...times) : made).toISOString(),
    lastActivity: new Date(times.length > 0 ? Math.max(...times) : made).toISOString(),
  };
}
