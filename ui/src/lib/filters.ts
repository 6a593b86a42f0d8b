// The incidents queue: its filters, their form in the address and in the API.
import { list, stringifySearch, text } from './address';
import type { Severity, Status } from '../api/types';

export const SEVERITIES: Severity[] = ['High', 'Medium', 'Low', 'Informational'];
export const STATUSES: Status[] = ['New', 'Active', 'Closed'];
export const SORTS = ['lastActivity', 'firstActivity', 'createdAt', 'severity', 'status', 'number', 'title', 'owner', 'alertCount'] as const;
export type Sort = (typeof SORTS)[number];
export const FACETS = ['status', 'severity', 'owner', 'tactic', 'technique'] as const;
export type Facet = (typeof FACETS)[number];
export const GROUPS = ['severity', 'status', 'owner', 'cluster', 'tactic', 'rule', 'entity'] as const;
export type Group = (typeof GROUPS)[number];
export const PAGE_SIZE = 50;

/** What the address of the queue says. Absent means: not restricted, or the default. */
export interface QueueSearch {
  status?: string[];
  severity?: string[];
  owner?: string[];
  tactic?: string[];
  technique?: string[];
  search?: string;
  sort?: Sort;
  order?: 'asc' | 'desc';
  page?: number;
  /** The incident shown in the side pane */
  selected?: number;
  /** What the rows are put together by */
  group?: Group;
  /** Not part of the queue's own address: the scope of all pages */
  cluster?: string;
  since?: string;
  until?: string;
}

/** The owner of what nobody owns, in the address; no user can be called that. */
export const NOBODY = '(none)';

const some = (values: string[]): string[] | undefined => (values.length === 0 ? undefined : values);

/** Reads the address; what makes no sense is dropped rather than an error. */
export function parseQueue(raw: Record<string, unknown>): QueueSearch {
  const sort = text(raw['sort']) as Sort | undefined;
  const order = text(raw['order']);
  const page = Number(text(raw['page']));
  const selected = Number(text(raw['selected']));
  const queue: QueueSearch = {
    status: some(list(raw['status']).filter((v) => (STATUSES as string[]).includes(v))),
    severity: some(list(raw['severity']).filter((v) => (SEVERITIES as string[]).includes(v))),
    owner: some(list(raw['owner'])),
    tactic: some(list(raw['tactic'])),
    technique: some(list(raw['technique'])),
    search: text(raw['search']),
    sort: sort !== undefined && SORTS.includes(sort) ? sort : undefined,
    order: order === 'asc' || order === 'desc' ? order : undefined,
    page: Number.isInteger(page) && page > 1 ? page : undefined,
    group: GROUPS.find((g) => g === text(raw['group'])),
    selected: Number.isInteger(selected) && selected > 0 ? selected : undefined,
  };
  return Object.fromEntries(Object.entries(queue).filter(([, value]) => value !== undefined)) as QueueSearch;
}

/** The query string of `GET /api/v1/incidents`. */
export function queueToApi(queue: QueueSearch): string {
  const page = queue.page ?? 1;
  return stringifySearch({
    status: queue.status,
    severity: queue.severity,
    owner: queue.owner?.map((name) => (name === NOBODY ? '' : name)),
    tactic: queue.tactic,
    technique: queue.technique,
    search: queue.search,
    cluster: queue.cluster,
    since: queue.since,
    until: queue.until,
    sort: queue.sort ?? 'lastActivity',
    order: queue.order ?? 'desc',
    limit: PAGE_SIZE,
    offset: (page - 1) * PAGE_SIZE,
  });
}

/** Adds or removes one value of a facet; goes back to the first page. */
export function toggleFacet(queue: QueueSearch, facet: Facet, value: string): QueueSearch {
  const before = queue[facet] ?? [];
  const after = before.includes(value) ? before.filter((v) => v !== value) : [...before, value];
  return parseQueue({ ...queue, [facet]: after, page: undefined });
}

/** Sorts by a column; a second time turns the direction round. */
export function toggleSort(queue: QueueSearch, sort: Sort): QueueSearch {
  const current = queue.sort ?? 'lastActivity';
  const order = queue.order ?? 'desc';
  const next = current === sort ? (order === 'desc' ? 'asc' : 'desc') : sort === 'title' || sort === 'owner' ? 'asc' : 'desc';
  return parseQueue({ ...queue, sort, order: next, page: undefined });
}

/** How many restrictions are set. */
export function countFilters(queue: QueueSearch): number {
  return FACETS.reduce((sum, facet) => sum + (queue[facet]?.length ?? 0), queue.search === undefined ? 0 : 1);
}
