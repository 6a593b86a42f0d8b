// What the server says, as described in its OpenAPI document (`/api/v1/openapi.json`).

export type Severity = 'High' | 'Medium' | 'Low' | 'Informational';
export type Status = 'New' | 'Active' | 'Closed';
export type Role = 'Reader' | 'Responder' | 'Contributor' | 'Administrator';

/** A cell of a query result, or any other JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface User {
  name: string;
  role: Role;
  displayName?: string;
}

export interface Session {
  user: User;
  csrf: string;
  /** The password is one that somebody else has seen */
  mustChange?: boolean;
  /** The server runs without sign-in, on loopback only. */
  noAuth?: boolean;
}

export interface Entity {
  type: string;
  name: string;
  [fact: string]: Json;
}

export interface Incident {
  number: number;
  id: string;
  title: string;
  description: string;
  severity: Severity;
  status: Status;
  owner: string | null;
  classification: string | null;
  classificationReason: string | null;
  classificationComment: string | null;
  entities: Entity[];
  tactics: string[];
  techniques: string[];
  alertCount: number;
  firstActivity: string;
  lastActivity: string;
  createdAt: string;
  updatedAt: string;
  closedAt: string | null;
  /** Empty when unknown or several */
  cluster: string | null;
  rules: string[];
}

export interface Evidence {
  columns: ResultColumn[];
  rows: Json[][];
}

export interface Alert {
  id: string;
  rule: string;
  ruleName: string;
  title: string;
  description: string;
  severity: Severity;
  tactics: string[];
  techniques: string[];
  entities: Entity[];
  firstActivity: string;
  lastActivity: string;
  createdAt: string;
  cluster?: string;
  customDetails: Record<string, Json>;
  evidence: Evidence;
  count: number;
  query: string;
  remediation: string[];
}

export interface Comment {
  id: string | number;
  author: string;
  message: string;
  createdAt: string;
}

export interface Activity {
  id: string;
  createdAt: string;
  /** A user's name, or `taffrail` for what rules do */
  actor: string;
  /** `created`, `changed`, `commented`, `alert added`, … */
  kind: string;
  field: string | null;
  from: string | null;
  to: string | null;
}

export interface IncidentDetail extends Incident {
  alerts: Alert[];
  comments: Comment[];
  activity: Activity[];
}

export type Facets = Record<string, Record<string, number>>;

export interface IncidentPage {
  items: Incident[];
  total: number;
  facets: Facets;
}

export interface IncidentChange {
  status?: Status;
  severity?: Severity;
  owner?: string | null;
  title?: string;
  classification?: string;
  classificationReason?: string | null;
  classificationComment?: string | null;
}

export interface SchemaColumn {
  name: string;
  type: string;
  about?: string;
}

export interface SchemaTable {
  name: string;
  about?: string;
  group?: string;
  kind: 'table' | 'view';
  columns: SchemaColumn[];
}

export interface SchemaFunction {
  name: string;
  kind: string;
  usage: string;
  summary: string;
}

export interface SchemaAnswer {
  tables: SchemaTable[];
  functions: SchemaFunction[];
}

/** A place in a query: line and column count from 1, in characters. */
export interface Place {
  line: number;
  column: number;
  offset: number;
}

export interface Diagnostic {
  severity: 'error' | 'warning' | 'Error' | 'Warning';
  code: string;
  message: string;
  help?: string | null;
  start: Place;
  end: Place;
  fix?: { start: Place; end: Place; text: string } | null;
}

export interface ResultColumn {
  name: string;
  type: string;
}

/** What `render` asked for, as Log Analytics words it. */
export interface Render {
  visualization: string;
  title?: string | null;
  kind?: string | null;
  legend?: string | null;
  xColumn?: string | null;
  xTitle?: string | null;
  yTitle?: string | null;
  yColumns?: string[] | string | null;
  series?: string[] | string | null;
  yMin?: number | string | null;
  yMax?: number | string | null;
  [property: string]: unknown;
}

export interface QueryAnswer {
  tables: { name: string; columns: ResultColumn[]; rows: Json[][] }[];
  statistics?: { query?: { executionTime?: number; [name: string]: unknown }; [name: string]: unknown };
  render?: Render | null;
  error?: { code: string; message: string; details?: { code: string; message: string }[] };
}

export interface HistoryEntry {
  query: string;
  at: string;
  elapsedMs?: number;
  rows: number | null;
  error: string | null;
}

export interface Rule {
  id: string;
  name: string;
  description: string;
  kind: string;
  severity: Severity;
  tactics: string[];
  techniques: string[];
  enabled: boolean;
  query?: string;
  version?: string | null;
  queryFrequency?: string | null;
  queryPeriod?: string | null;
  triggerOperator?: string | null;
  triggerThreshold?: number | null;
  entityMappings?: Json;
  customDetails?: Record<string, Json> | null;
  alertDetailsOverride?: Json;
  incidentConfiguration?: {
    createIncident?: boolean;
    groupingConfiguration?: { enabled?: boolean; reopenClosedIncident?: boolean; lookbackDuration?: string; matchingMethod?: string; groupByEntities?: string[]; groupByAlertDetails?: string[]; groupByCustomDetails?: string[] };
  } | null;
  suppressionDuration?: string | null;
  suppressionEnabled?: boolean | null;
  /** What to do first when it speaks */
  response?: string[];
  threatMatrix?: string[];
  eventGroupingSettings?: { aggregationKind?: 'SingleAlert' | 'AlertPerResult' } | null;
  [more: string]: unknown;
}

export interface UserAccount {
  name: string;
  displayName?: string;
  role: Role;
  disabled?: boolean;
  /** Has a one-time password and must choose another */
  mustChange?: boolean;
  createdAt?: string | null;
  lastSignIn?: string | null;
}

export interface Token {
  id: string;
  name: string;
  kind: 'ingest' | 'api';
  /** Of an ingestion token: the only source and cluster it may send */
  source?: string | null;
  cluster?: string | null;
  /** Of an API token */
  role?: Role | null;
  createdBy?: string | null;
  createdAt: string;
  expiresAt?: string | null;
  lastUsed?: string | null;
}

export interface TableStatistics {
  name: string;
  rows: number;
  bytes: number;
  hotRows: number;
  files: number;
}

export interface Health {
  status: string;
  version: string;
  parts: { name: string; status: string; message?: string }[];
  tables: TableStatistics[];
  rules: number;
}

/** A place where somebody is signed in. */
export interface DeviceSession {
  id: string;
  address?: string;
  userAgent?: string;
  agent?: string;
  createdAt?: string;
  lastSeen?: string;
}
