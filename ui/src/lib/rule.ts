// A rule while it is written: a draft, its YAML in Sentinel's format, and what it would have raised.
import type { Json, Rule, Severity } from '../api/types';

export interface Mapping {
  entityType: string;
  fieldMappings: { identifier: string; columnName: string }[];
}

export interface RuleDraft {
  id: string;
  name: string;
  description: string;
  severity: Severity;
  kind: 'NRT' | 'Scheduled';
  query: string;
  tactics: string[];
  techniques: string[];
  frequency: string;
  period: string;
  operator: Operator;
  threshold: number;
  perResult: boolean;
  createIncident: boolean;
  grouping: 'none' | 'all' | 'entities';
  lookback: string;
  mappings: Mapping[];
  response: string[];
  version: string;
}

export const OPERATORS = { gt: 'more than', lt: 'fewer than', eq: 'exactly', ne: 'other than' } as const;
export type Operator = keyof typeof OPERATORS;

/** What entities are known by, as in Sentinel; the first identifier is the name. */
export const ENTITY_TYPES: Record<string, string[]> = {
  Account: ['FullName', 'Name'],
  IP: ['Address'],
  KubernetesPod: ['Name', 'Namespace', 'Cluster'],
  KubernetesNamespace: ['Name', 'Cluster'],
  KubernetesServiceAccount: ['Name', 'Namespace', 'Cluster'],
  KubernetesNode: ['Name', 'Cluster'],
  KubernetesSecret: ['Name', 'Namespace', 'Cluster'],
  Container: ['Name'],
  ContainerImage: ['ImageId'],
  Host: ['HostName'],
  URL: ['Url'],
  DNS: ['DomainName'],
  Process: ['CommandLine'],
};

export const NEW_RULE: RuleDraft = {
  id: '',
  name: '',
  description: '',
  severity: 'Medium',
  kind: 'NRT',
  query: '',
  tactics: [],
  techniques: [],
  frequency: '5m',
  period: '5m',
  operator: 'gt',
  threshold: 0,
  perResult: true,
  createIncident: true,
  grouping: 'entities',
  lookback: '5h',
  mappings: [],
  response: [],
  version: '1.0.0',
};

const SHORT: Record<string, Operator> = { GreaterThan: 'gt', LessThan: 'lt', Equal: 'eq', NotEqual: 'ne', gt: 'gt', lt: 'lt', eq: 'eq', ne: 'ne' };

/** A draft of a rule there is, to change it or to make another of it. */
export function draftOf(rule: Rule): RuleDraft {
  const grouping = rule.incidentConfiguration?.groupingConfiguration;
  return {
    ...NEW_RULE,
    id: rule.id,
    name: rule.name,
    description: rule.description,
    severity: rule.severity,
    kind: rule.kind === 'NRT' ? 'NRT' : 'Scheduled',
    query: rule.query.trim(),
    tactics: rule.tactics,
    techniques: rule.techniques,
    frequency: rule.queryFrequency ?? '5m',
    period: rule.queryPeriod ?? '5m',
    operator: SHORT[rule.triggerOperator ?? 'gt'] ?? 'gt',
    threshold: rule.triggerThreshold ?? 0,
    perResult: rule.eventGroupingSettings?.aggregationKind === 'AlertPerResult',
    createIncident: rule.incidentConfiguration?.createIncident !== false,
    grouping: grouping?.enabled !== true ? 'none' : grouping.matchingMethod === 'AnyAlert' ? 'all' : 'entities',
    lookback: grouping?.lookbackDuration ?? '5h',
    mappings: Array.isArray(rule.entityMappings) ? (rule.entityMappings as unknown as Mapping[]) : [],
    response: rule.response ?? [],
    version: rule.version ?? '1.0.0',
  };
}

/** The draft as a document in Sentinel's format. */
export function documentOf(draft: RuleDraft): Record<string, unknown> {
  return {
    id: draft.id,
    name: draft.name,
    description: `${draft.description.trim()}\n`,
    severity: draft.severity,
    status: 'Available',
    tactics: draft.tactics,
    relevantTechniques: draft.techniques,
    ...(draft.kind === 'NRT' ? {} : { queryFrequency: draft.frequency, queryPeriod: draft.period, triggerOperator: draft.operator, triggerThreshold: draft.threshold }),
    query: `${draft.query.trim()}\n`,
    ...(draft.mappings.length === 0 ? {} : { entityMappings: draft.mappings }),
    eventGroupingSettings: { aggregationKind: draft.perResult ? 'AlertPerResult' : 'SingleAlert' },
    incidentConfiguration: {
      createIncident: draft.createIncident,
      groupingConfiguration: { enabled: draft.grouping !== 'none', reopenClosedIncident: false, lookbackDuration: draft.lookback, matchingMethod: draft.grouping === 'all' ? 'AnyAlert' : 'AllEntities' },
    },
    ...(draft.response.length === 0 ? {} : { response: draft.response }),
    version: draft.version,
    kind: draft.kind,
  };
}

/** What is missing before it can be kept, in words. */
export function missing(draft: RuleDraft): string[] {
  const said: string[] = [];
  if (draft.name.trim() === '') said.push('a name');
  if (draft.description.trim() === '') said.push('why it matters');
  if (draft.query.trim() === '') said.push('a query');
  if (draft.kind === 'Scheduled' && (seconds(draft.frequency) === 0 || seconds(draft.period) === 0)) said.push('how often it runs and how far it looks back, such as 5m');
  return said;
}

/** `5m`, `PT5M`, `1d` in seconds; 0: not understood. */
export function seconds(text: string): number {
  const short = /^(\d+)([smhd])$/i.exec(text.trim());
  if (short) return Number(short[1]) * { s: 1, m: 60, h: 3600, d: 86_400 }[(short[2] as string).toLowerCase() as 's' | 'm' | 'h' | 'd'];
  const iso = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/i.exec(text.trim());
  if (!iso) return 0;
  const part = (i: number): number => Number(iso[i] ?? 0);
  return part(1) * 86_400 + part(2) * 3600 + part(3) * 60 + part(4);
}

const holds = (rows: number, operator: Operator, threshold: number): boolean => (operator === 'gt' ? rows > threshold : operator === 'lt' ? rows < threshold : operator === 'eq' ? rows === threshold : rows !== threshold);

export interface Raised {
  at: number;
  rows: number;
  alerts: number;
}

/** `counts`: rows of the query by bin of `step` seconds. What a schedule of windows over them would have raised. */
export function simulate(draft: RuleDraft, counts: [number, number][], step: number, ends: [number, number]): Raised[] {
  const found = new Map(counts.map(([at, rows]) => [Math.floor(at / 1000 / step), rows]));
  const first = Math.floor(ends[0] / 1000 / step);
  const last = Math.floor(ends[1] / 1000 / step);
  const width = draft.kind === 'NRT' ? 1 : Math.max(1, Math.round(seconds(draft.period) / step));
  const every = draft.kind === 'NRT' ? 1 : Math.max(1, Math.round(seconds(draft.frequency) / step));
  const raised: Raised[] = [];
  let sum = 0;
  for (let bin = first; bin <= last; bin += 1) {
    sum += (found.get(bin) ?? 0) - (found.get(bin - width) ?? 0);
    const rows = found.get(bin) ?? 0;
    const speaks = draft.kind === 'NRT' ? rows > 0 : (bin - first) % every === every - 1 && holds(sum, draft.operator, draft.threshold);
    const seen = draft.kind === 'NRT' ? rows : sum;
    raised.push({ at: bin * step * 1000, rows, alerts: !speaks ? 0 : draft.perResult ? Math.max(1, seen) : 1 });
  }
  return raised;
}

/** Entities that a row would give the alert. */
export function preview(mappings: Mapping[], columns: { name: string }[], row: Json[]): { type: string; name: string }[] {
  const value = (name: string): string => {
    const found = row[columns.findIndex((column) => column.name === name)];
    return found === null || found === undefined ? '' : typeof found === 'object' ? JSON.stringify(found) : String(found);
  };
  return mappings.map((mapping) => ({ type: mapping.entityType, name: mapping.fieldMappings.map((field) => value(field.columnName)).filter((text) => text !== '')[0] ?? '' })).filter((entity) => entity.name !== '');
}

/** Columns whose name says what they are: a beginning for the mappings. */
export function suggestMappings(columns: { name: string }[]): Mapping[] {
  const has = (name: string): boolean => columns.some((column) => column.name === name);
  const found: Mapping[] = [];
  const add = (entityType: string, ...fields: [string, string][]): void => void found.push({ entityType, fieldMappings: fields.filter(([, column]) => has(column)).map(([identifier, columnName]) => ({ identifier, columnName })) });
  if (has('Username')) add('Account', ['FullName', 'Username']);
  if (has('SourceIp')) add('IP', ['Address', 'SourceIp']);
  if (has('Resource') && has('Name') && has('Namespace')) add('KubernetesPod', ['Name', 'Name'], ['Namespace', 'Namespace'], ['Cluster', 'Cluster']);
  else if (has('Namespace')) add('KubernetesNamespace', ['Name', 'Namespace'], ['Cluster', 'Cluster']);
  if (has('Image')) add('ContainerImage', ['ImageId', 'Image']);
  return found;
}

export interface Difference {
  kind: 'same' | 'added' | 'removed';
  text: string;
}

/** Lines that were added and removed: the longest common lines stay. */
export function difference(before: string, after: string): Difference[] {
  const a = before.split('\n');
  const b = after.split('\n');
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  const at = (i: number, j: number): number => lengths[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) for (let j = b.length - 1; j >= 0; j -= 1) (lengths[i] as Uint16Array)[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const found: Difference[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      found.push({ kind: 'same', text: a[i] as string });
      i += 1;
      j += 1;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) {
      found.push({ kind: 'removed', text: a[i] as string });
      i += 1;
    } else {
      found.push({ kind: 'added', text: b[j] as string });
      j += 1;
    }
  }
  return found;
}
