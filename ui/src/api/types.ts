// What the server says. The types are made from its OpenAPI document (`schema.ts`); here is only what the document leaves
// open: values that are any JSON, and documents whose form depends on their kind.
import type * as S from './schema';

export type { Activity, Comment, HistoryEntry, Role, Severity, Status, TableStatistics, Task, Token, TrailEntry, Health, Place } from './schema';

/** A cell of a query result, or any other JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type User = S.SessionUser;
export type Session = S.SessionAnswer;
/** A place where somebody is signed in. */
export type DeviceSession = S.Session;
export type UserAccount = S.User;

export type Entity = { type: string; name: string; [fact: string]: Json };
/** Values that may be absent arrive as null. */
type Filled<T, K extends keyof T> = Omit<T, K> & { [N in K]-?: Exclude<T[N], undefined> };
type May = 'owner' | 'classification' | 'classificationReason' | 'classificationComment' | 'closedAt';
export type Incident = Filled<Omit<S.Incident, 'entities'>, May> & { entities: Entity[] };
export type Evidence = { columns: ResultColumn[]; rows: Json[][] };
export type Alert = Omit<S.Alert, 'entities' | 'evidence' | 'customDetails' | 'remediation'> & { entities: Entity[]; evidence: Evidence; customDetails: Record<string, Json>; remediation: string[] };
export type IncidentDetail = Incident & { alerts: Alert[]; tasks: S.Task[]; comments: S.Comment[]; activity: S.Activity[] };
export type Facets = Record<string, Record<string, number>>;
export type IncidentPage = Omit<S.Page, 'items' | 'facets'> & { items: Incident[]; facets: Facets };
export type IncidentChange = Omit<S.IncidentPatch, 'classification' | 'classificationReason'> & { classification?: string | null; classificationReason?: string | null };

export type SchemaColumn = S.SchemaColumn;
export type SchemaTable = S.SchemaTable;
export type SchemaFunction = S.FunctionInfo;
export type SchemaAnswer = S.SchemaAnswer;
export type Diagnostic = S.DiagnosticView;
export type ResultColumn = S.ColumnView;

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
  statistics?: {
    query?: {
      executionTime?: number;
      inputDatasetStatistics?: { rows?: { scanned?: number }; bytes?: { scanned?: number } };
      datasetStatistics?: { tableRowCount?: number; tableSize?: number }[];
    };
  };
  render?: Render | null;
  error?: { code: string; message: string; details?: { code: string; message: string }[] };
}

/** A rule, with the members of Sentinel's format that the portal shows. */
export interface Rule extends Pick<S.RuleInfo, 'id' | 'name' | 'description' | 'kind' | 'tactics' | 'techniques' | 'query' | 'enabled'> {
  severity: S.Severity;
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

/** A document of the library. */
export type LibraryItem<Body = unknown> = Omit<S.LibraryItem, 'body'> & { body: Body };
