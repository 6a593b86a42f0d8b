// Queries that pages ask by themselves, with the range and the cluster that the page shows.
import { queryOptions, useQuery, type UseQueryResult } from '@tanstack/react-query';
import { inCluster, useScope } from '../lib/scope';
import { request } from './client';
import { schemaQuery } from './queries';
import type { Json, QueryAnswer, ResultColumn, SchemaAnswer } from './types';

export interface Answer {
  columns: ResultColumn[];
  rows: Json[][];
  answer: QueryAnswer;
  /** Milliseconds the server took */
  took: number;
}

/** What a page asks is no part of the person's history. */
async function ask(query: string, timespan: string | undefined, signal: AbortSignal): Promise<Answer> {
  const answer = await request<QueryAnswer>('/v1/workspaces/taffrail/query', {
    method: 'POST',
    body: timespan === undefined ? { query } : { query, timespan },
    signal,
    headers: { Prefer: 'include-statistics=true, include-render=true, wait=60, history=false' },
  });
  const table = answer.tables[0];
  return { columns: table?.columns ?? [], rows: table?.rows ?? [], answer, took: (answer.statistics?.query?.executionTime ?? 0) * 1000 };
}

export const kqlQuery = (query: string, timespan: string | undefined) =>
  queryOptions({
    queryKey: ['kql', query, timespan ?? 'all'],
    staleTime: 20_000,
    queryFn: ({ signal }) => ask(query, timespan, signal),
  });

/** Tables with a column `Cluster`. */
export const clusterTables = (schema: SchemaAnswer | undefined): string[] =>
  (schema?.tables ?? []).filter((table) => table.columns.some((column) => column.name === 'Cluster')).map((table) => table.name);

interface Options {
  /** A range of its own instead of the page's; `null`: all time */
  timespan?: string | null;
  /** Milliseconds after which it is asked again */
  every?: number;
  enabled?: boolean;
}

/** The query as it is sent: with the page's cluster before it. Undefined until it is known how. */
export function useScoped(query: string | null): string | undefined {
  const { cluster } = useScope();
  const { data: schema } = useQuery({ ...schemaQuery, enabled: cluster !== undefined });
  if (query === null) return undefined;
  if (cluster === undefined) return query;
  return schema === undefined ? undefined : inCluster(query, cluster, clusterTables(schema));
}

/** Asks within the page's range and cluster. */
export function useKql(query: string | null, options: Options = {}): UseQueryResult<Answer> {
  const { timespan } = useScope();
  const asked = useScoped(query);
  return useQuery({
    ...kqlQuery(asked ?? '', options.timespan === undefined ? timespan : (options.timespan ?? undefined)),
    enabled: asked !== undefined && options.enabled !== false,
    refetchInterval: options.every ?? false,
    placeholderData: (before: Answer | undefined) => before,
  });
}

/** The rows as objects. */
export function objects(answer: Answer | undefined): Record<string, Json>[] {
  if (answer === undefined) return [];
  return answer.rows.map((row) => Object.fromEntries(answer.columns.map((column, i) => [column.name, row[i] ?? null])));
}

export const text = (value: Json | undefined): string => (value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value));
export const number = (value: Json | undefined): number => {
  const found = Number(value ?? 0);
  return Number.isFinite(found) ? found : 0;
};
/** A dynamic value, which arrives as text. */
export function list(value: Json | undefined): Json[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'string' || !value.startsWith('[')) return [];
  try {
    return JSON.parse(value) as Json[];
  } catch {
    return [];
  }
}
