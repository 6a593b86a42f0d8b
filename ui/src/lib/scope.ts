// The time range and the cluster that every page shares: parameters `t` and `cluster` of every address.
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import { literal } from './kql';
import { formatRange, parseRange, toTimespan, type Range } from './time';

export interface Scope {
  range: Range;
  /** Nobody has chosen a range; the page's own default holds. */
  isDefault: boolean;
  cluster: string | undefined;
  /** For the query API; absent for all time. */
  timespan: string | undefined;
  /** Width of the bins of a chart over this range, as KQL. */
  bin: string;
  setRange: (range: Range) => void;
  setCluster: (cluster: string | undefined) => void;
}

const STEPS: [string, number][] = [
  ['1s', 1],
  ['5s', 5],
  ['15s', 15],
  ['30s', 30],
  ['1m', 60],
  ['5m', 300],
  ['15m', 900],
  ['30m', 1800],
  ['1h', 3600],
  ['3h', 10_800],
  ['6h', 21_600],
  ['12h', 43_200],
  ['1d', 86_400],
  ['7d', 604_800],
];

/** How long a range is, seconds; a year stands for all time. */
export function rangeSeconds(range: Range): number {
  if (range.kind === 'all') return 365 * 86_400;
  if (range.kind === 'between') return (Date.parse(range.end) - Date.parse(range.start)) / 1000;
  return range.amount * { m: 60, h: 3600, d: 86_400 }[range.unit];
}

/** The width of bins that makes about `wanted` of them. */
export function binFor(range: Range, wanted = 60): string {
  const seconds = rangeSeconds(range) / wanted;
  return (STEPS.find(([, step]) => step >= seconds * 0.8) ?? STEPS.at(-1) ?? ['1d'])[0];
}

export const binSeconds = (bin: string): number => STEPS.find(([name]) => name === bin)?.[1] ?? 3600;

/** First and last instant of a range; all time has none. */
export function rangeEnds(range: Range, now = Date.now()): [number, number] | undefined {
  if (range.kind === 'all') return undefined;
  if (range.kind === 'between') return [Date.parse(range.start), Date.parse(range.end)];
  return [now - rangeSeconds(range) * 1000, now];
}

export function useScope(fallback?: Range): Scope {
  const search: { t?: unknown; cluster?: unknown } = useSearch({ strict: false });
  const navigate = useNavigate();
  const t = typeof search.t === 'string' ? search.t : undefined;
  const cluster = typeof search.cluster === 'string' && search.cluster !== '' ? search.cluster : undefined;
  return useMemo(() => {
    const range = t === undefined && fallback !== undefined ? fallback : parseRange(t);
    const change = (what: { t?: string; cluster?: string | undefined }): void =>
      void navigate({ to: '.', search: ((before: Record<string, unknown>) => ({ ...before, ...what })) as never, replace: true });
    return {
      range,
      isDefault: t === undefined,
      cluster,
      timespan: toTimespan(range),
      bin: binFor(range),
      setRange: (next) => change({ t: formatRange(next) }),
      setCluster: (next) => change({ cluster: next }),
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- a fallback is a constant of its page
  }, [t, cluster, navigate]);
}

/** Tables that say which cluster a row is of, and how. */
const OF_CLUSTER: Record<string, (cluster: string) => string> = {
  SecurityAlert: (cluster) => `tostring(parse_json(ExtendedProperties).Cluster) == ${cluster}`,
};

/**
 * Puts a cluster before a query: the tables that know their cluster are hidden behind filtered ones of the same name.
 * `tables`: those of the schema with a column Cluster.
 */
export function inCluster(query: string, cluster: string | undefined, tables: readonly string[]): string {
  if (cluster === undefined) return query;
  const lets = [...tables, ...Object.keys(OF_CLUSTER)]
    .filter((table) => new RegExp(`\\b${table}\\b`).test(query))
    .map((table) => `let ${table} = ${table} | where ${OF_CLUSTER[table]?.(literal(cluster)) ?? `Cluster == ${literal(cluster)}`};`);
  return lets.length === 0 ? query : `${lets.join('\n')}\n${query}`;
}
