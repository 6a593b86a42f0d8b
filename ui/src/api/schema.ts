// Made from openapi.json by `npm run types`; not to be edited.

/** One change. */
export type Activity = {
  /** What was done: `created`, `changed`, `commented`, `alert added`, … */
  action: string;
  /** When */
  at: string;
  /** Which field */
  field?: string | null;
  /** Its value before */
  from?: string | null;
  /** Its value now */
  to?: string | null;
  /** Who: a user's name, or `taffrail` for what rules do */
  who: string;
};

/** What a rule found. */
export type Alert = {
  /** Cluster it happened in; empty when unknown or several */
  cluster?: string;
  /** Number of events */
  count: number;
  /** When it was raised */
  createdAt: string;
  /** Details the rule adds */
  customDetails?: Record<string, unknown>;
  /** Why it matters */
  description: string;
  /** What it is about */
  entities: Entity[];
  /** The events */
  evidence: Evidence;
  /** Time of the first event */
  firstActivity: string;
  /** The same for the same finding, however often it is found */
  id: string;
  /** Time of the last event */
  lastActivity: string;
  /** The query that found it */
  query: string;
  /** What to do */
  remediation?: string[];
  /** Rule id */
  rule: string;
  /** Rule name */
  ruleName: string;
  /** Severity */
  severity: Severity;
  /** ATT&CK tactics */
  tactics: string[];
  /** ATT&CK techniques */
  techniques: string[];
  /** Title */
  title: string;
};

/** Queries to run one after another. */
export type BatchBody = {
  requests: BatchRequest[];
};

/** A query of a batch. */
export type BatchRequest = {
  body: QueryBody;
  headers?: Record<string, unknown>;
  id: string;
  workspace: string;
};

/** Problems of a query. */
export type CheckAnswer = {
  diagnostics: DiagnosticView[];
};

/** A query's text. */
export type CheckRequest = {
  query: string;
};

/** What it turned out to be. */
export type Classification = "TruePositive" | "BenignPositive" | "FalsePositive" | "Undetermined";

/** A column of an answer. */
export type ColumnView = {
  name: string;
  type: string;
};

/** A comment. */
export type Comment = {
  /** User who wrote it */
  author: string;
  /** When */
  createdAt: string;
  /** Identifier */
  id: string;
  /** Text */
  message: string;
};

/** A comment to be made. */
export type CommentRequest = {
  message: string;
};

/** What was merged. */
export type Compaction = {
  /** Files in their place */
  added: number;
  /** Files deleted from disk */
  deleted: number;
  /** Files that others took the place of */
  removed: number;
};

/** What could stand there. */
export type CompleteAnswer = {
  items: Completion[];
};

/** A query's text and a place in it. */
export type CompleteRequest = {
  /** In characters (Unicode code points), from 0 */
  offset: number;
  query: string;
};

/** Something that could stand at a place of a query. */
export type Completion = {
  /** One line about it */
  detail: string;
  /** What to insert */
  insert: string;
  /** `table`, `column`, `function`, `keyword`, … */
  kind: string;
  /** What to show */
  label: string;
};

/** What a gigabyte costs, for the pages that show cost. */
export type CostSetting = {
  /** `EUR`, `USD`, … */
  currency: string;
  /** Of a gibibyte on disk for a month */
  perGibMonth: number;
};

/** Name and password. */
export type Credentials = {
  password: string;
  username: string;
};

/** A problem with a query. */
export type DiagnosticView = {
  /** Stable code */
  code: string;
  end: Place;
  fix?: FixView | null;
  help?: string | null;
  message: string;
  /** `error` or `warning` */
  severity: string;
  start: Place;
};

/** Something an alert is about. */
export type Entity = {
  /** What people call it */
  name: string;
  /** `Account`, `IP`, `KubernetesPod`, … */
  type: string;
  [name: string]: unknown;
};

/** An error answer. */
export type ErrorAnswer = {
  /** What went wrong */
  error: ErrorBody;
};

/** What went wrong. */
export type ErrorBody = {
  /** Stable name of the kind of error */
  code: string;
  /** More, depending on the code */
  details?: Record<string, unknown> | null;
  /** What happened and what to do */
  message: string;
};

/** Rows that made the rule speak. */
export type Evidence = {
  /** Columns */
  columns: EvidenceColumn[];
  /** Rows, values as query results have them */
  rows: unknown[][];
};

/** A column of evidence. */
export type EvidenceColumn = {
  /** Name */
  name: string;
  /** KQL type */
  type: string;
};

/** How a query would run. */
export type ExplainAnswer = {
  /** Problems, when it is not valid */
  diagnostics: DiagnosticView[];
  /** Logical plan, optimized plan and physical plan */
  plan: string;
};

/** A query's text. */
export type ExplainRequest = {
  query: string;
};

/** A query whose answer is to be a file. */
export type ExportRequest = {
  /** KQL */
  query: string;
  /** ISO 8601 duration or interval */
  timespan?: string | null;
};

/** How many there are of each value, under the filter's other fields. */
export type Facets = {
  /** By owner, most first; the empty name: nobody */
  owner: Record<string, number>;
  /** By severity, worst first */
  severity: Record<string, number>;
  /** By status */
  status: Record<string, number>;
  /** By ATT&CK tactic, most first */
  tactic: Record<string, number>;
  /** By ATT&CK technique, most first */
  technique: Record<string, number>;
};

/** Something that somebody found. */
export type Finding = {
  /** Cluster */
  cluster?: string;
  /** What it is about */
  entities?: Entity[];
  /** Rows */
  evidence?: Evidence;
  /** Time of the first event */
  firstActivity: string;
  /** The same for the same finding (the id of a bookmark), so that it is in one incident only */
  id: string;
  /** Time of the last event */
  lastActivity: string;
  /** Why it matters, in Markdown */
  note?: string;
  /** The query that found it */
  query?: string;
  /** ATT&CK tactics */
  tactics?: string[];
  /** ATT&CK techniques */
  techniques?: string[];
  /** What it is */
  title: string;
};

/** A replacement that mends the text. */
export type FixView = {
  end: Place;
  start: Place;
  text: string;
};

/** A function queries can call. */
export type FunctionInfo = {
  /** `scalar`, `aggregate`, `window`, `plugin`, `stored` */
  kind: string;
  /** Name */
  name: string;
  /** What it gives */
  summary: string;
  /** How it is called */
  usage: string;
};

/** How the server is. */
export type Health = {
  parts: Part[];
  rules: number;
  /** `ok` or `failed` */
  status: string;
  tables: TableStatistics[];
  version: string;
};

/** A query that was run. */
export type HistoryEntry = {
  /** When */
  at: string;
  /** How long it took, milliseconds */
  elapsedMs: number;
  /** What went wrong */
  error?: string | null;
  /** KQL */
  query: string;
  /** Rows it gave; none when it failed */
  rows?: number | null;
};

/** What is known of the word at a place. */
export type HoverAnswer = {
  hover?: HoverView | null;
};

/** What a word of a query is. */
export type HoverView = {
  about?: string | null;
  /** The type of a column, the usage of a function or operator */
  detail: string;
  end: Place;
  /** `table`, `column`, `function`, `aggregate`, `operator`, … */
  kind: string;
  name: string;
  start: Place;
};

/** What was taken in. */
export type ImportAnswer = {
  /** Rows written */
  stored: number;
};

/** Indicators to be taken in. */
export type ImportRequest = {
  indicators: Indicator[];
  /** Where they come from: the name of a feed */
  source: string;
};

/** An incident. */
export type Incident = {
  /** Number of alerts */
  alertCount: number;
  classification?: Classification | null;
  /** In words */
  classificationComment?: string | null;
  classificationReason?: Reason | null;
  /** When it was closed */
  closedAt?: string | null;
  /** Cluster; empty when unknown or several */
  cluster: string;
  /** When it was opened */
  createdAt: string;
  /** What it is about */
  description: string;
  /** Entities of all its alerts */
  entities: Entity[];
  /** Time of the first event */
  firstActivity: string;
  /** Identifier */
  id: string;
  /** Time of the last event */
  lastActivity: string;
  /** Number, counted from 1 */
  number: number;
  /** User who works on it */
  owner?: string | null;
  /** Ids of the rules whose alerts it holds */
  rules: string[];
  /** Severity */
  severity: Severity;
  /** Status */
  status: Status;
  /** ATT&CK tactics of all its alerts */
  tactics: string[];
  /** ATT&CK techniques of all its alerts */
  techniques: string[];
  /** Title */
  title: string;
  /** Last change */
  updatedAt: string;
};

/** An incident with everything about it. */
export type IncidentDetails = Incident & {
  activity: Activity[];
  alerts: Alert[];
  comments: Comment[];
  tasks: Task[];
};

/** Changes; what is left out stays. */
export type IncidentPatch = {
  classification?: Classification | null;
  classificationComment?: string | null;
  classificationReason?: Reason | null;
  /** A user's name; null: nobody */
  owner?: string | null;
  severity?: Severity | null;
  status?: Status | null;
  title?: string | null;
};

/** An incident to be opened. */
export type IncidentRequest = {
  /** In Markdown */
  description?: string;
  /** At least one */
  findings: Finding[];
  severity: Severity;
  title: string;
};

/** An indicator. */
export type Indicator = {
  /** 0 to 100 */
  confidence?: number;
  /** Why it is bad */
  description?: string;
  kind: IndicatorKind;
  /** Takes one back that came before */
  revoked?: boolean;
  /** Words to find it by */
  tags?: string[];
  /** Until when it is good; 90 days when left out */
  validUntil?: string | null;
  /** What to look for */
  value: string;
};

/** What an indicator is. */
export type IndicatorKind = "ipv4" | "ipv6" | "domain" | "url" | "sha256" | "image";

/** A query or command. */
export type KustoBody = {
  /** KQL, or a command that begins with a dot */
  csl: string;
  /** Database: `taffrail` or `default` */
  db?: string | null;
  /** `{"Options":{…},"Parameters":{…}}`, or that as text */
  properties?: Record<string, unknown> | null;
};

/** A document to be kept. */
export type LibraryChange = {
  /** `updatedAt` of what was changed: refused with 409 when somebody else changed it since */
  basedOn?: string | null;
  /** The document */
  body: Record<string, unknown>;
  /** What people call it */
  name: string;
  /** For everybody; needs Contributor */
  shared?: boolean;
};

/** A document of the library. */
export type LibraryItem = {
  /** The document; its form depends on the kind */
  body: Record<string, unknown>;
  /** What it is for */
  description: string;
  /** Name in addresses */
  id: string;
  /** What people call it */
  name: string;
  /** Where it comes from */
  origin: Origin;
  /** Everybody sees it; else only the one who keeps it */
  shared: boolean;
  /** Last change by people */
  updatedAt?: string | null;
  /** Who made it */
  updatedBy?: string | null;
};

/** Where a document comes from. */
export type Origin = "shipped" | "changed" | "kept";

/** A page of the queue. */
export type Page = {
  /** Counts */
  facets: Facets;
  /** Incidents */
  items: Incident[];
  /** How many the filter lets through in all */
  total: number;
};

/** How a part is. */
export type Part = {
  message?: string | null;
  name: string;
  /** `ok` or `failed` */
  status: string;
};

/** A new password. */
export type PasswordChange = {
  /** At least 15 characters */
  new: string;
  /** The present one */
  old: string;
};

/** A place in a query. */
export type Place = {
  /** In characters (Unicode code points), from 1 */
  column: number;
  /** From 1 */
  line: number;
  /** In characters (Unicode code points), from 0 */
  offset: number;
};

/** An answer. */
export type QueryAnswer = {
  /** `PartialError` when there are more rows than allowed */
  error?: Record<string, unknown> | null;
  /** With `Prefer: include-render=true` */
  render?: Record<string, unknown> | null;
  /** With `Prefer: include-statistics=true` */
  statistics?: Record<string, unknown> | null;
  tables: TableView[];
};

/** A query. */
export type QueryBody = {
  /** KQL */
  query: string;
  /** ISO 8601 duration or interval that `TimeGenerated` of every table must be in */
  timespan?: string | null;
  /** Other workspaces; there are none */
  workspaces?: string[] | null;
};

/** A query that runs or ran. */
export type QueryRun = {
  /** Processor time, milliseconds */
  cpuMs?: number | null;
  /** How long it took, or runs now */
  elapsedMs: number;
  /** Why it failed */
  failure?: string | null;
  /** What its client calls it, or a name of ours */
  id: string;
  /** Most memory held, bytes */
  peakMemory?: number | null;
  /** Its text, cut when it is long */
  query: string;
  /** Rows of its answer */
  rows?: number | null;
  /** Since when */
  startedAt: string;
  /** `InProgress`, `Completed`, `Failed` or `Cancelled` */
  state: string;
  /** Who asked */
  user: string;
};

/** Why it was classified so. */
export type Reason = "SuspiciousActivity" | "SuspiciousButExpected" | "IncorrectAlertLogic" | "InaccurateData";

/** What a user may do; each role may do what the ones before it may. */
export type Role = "Reader" | "Responder" | "Contributor" | "Administrator";

/** A detection rule, as the portal shows it. */
export type RuleInfo = {
  /** Why it matters */
  description: string;
  /** Whether it runs */
  enabled: boolean;
  /** Identifier */
  id: string;
  /** `Scheduled` or `NRT` */
  kind: string;
  /** Name */
  name: string;
  /** KQL */
  query: string;
  /** Severity of its alerts */
  severity: string;
  /** ATT&CK tactics */
  tactics: string[];
  /** ATT&CK techniques */
  techniques: string[];
  [name: string]: unknown;
};

/** What queries can name. */
export type SchemaAnswer = {
  functions: FunctionInfo[];
  tables: SchemaTable[];
};

/** A column. */
export type SchemaColumn = {
  about: string;
  name: string;
  /** KQL type */
  type: string;
};

/** A table or view. */
export type SchemaTable = {
  about: string;
  columns: SchemaColumn[];
  /** Heading it is listed under */
  group: string;
  /** `table` or `view` */
  kind: string;
  name: string;
};

/** What a token is for. */
export type Scope = {
  /** Only for this cluster */
  cluster?: string | null;
  kind: "ingest";
  /** Only this source */
  source?: string | null;
} | {
  kind: "api";
  /** As this role */
  role: Role;
};

/** A session, as its user sees it in a list. */
export type Session = {
  /** Where the user signed in from */
  address: string;
  /** With which browser */
  agent: string;
  /** When */
  createdAt: string;
  /** When it ends at the latest */
  expiresAt: string;
  /** Identifier; not the secret */
  id: string;
  /** Last request (to the minute) */
  lastSeen: string;
  /** Whose */
  user: string;
};

/** A session. */
export type SessionAnswer = {
  /** To be sent in the header `X-CSRF-Token` with every change */
  csrf: string;
  /** The user has a password that somebody else has seen, and should choose another */
  mustChange: boolean;
  /** The server runs without sign-in */
  noAuth: boolean;
  user: SessionUser;
};

/** Who is signed in. */
export type SessionUser = {
  displayName: string;
  name: string;
  role: Role;
};

/** How bad. */
export type Severity = "Informational" | "Low" | "Medium" | "High";

/** Where the work stands. */
export type Status = "New" | "Active" | "Closed";

/** What a table holds. */
export type TableStatistics = {
  /** Bytes on disk */
  bytes: number;
  /** Files */
  files: number;
  /** Rows not yet in files */
  hotRows: number;
  /** Name */
  name: string;
  /** Rows */
  rows: number;
};

/** A table of an answer. */
export type TableView = {
  columns: ColumnView[];
  /** `PrimaryResult` */
  name: string;
  rows: unknown[][];
};

/** A task. */
export type Task = {
  /** When */
  createdAt: string;
  /** Who wrote it */
  createdBy: string;
  /** How, in Markdown */
  description: string;
  /** When; none: it is still to be done */
  doneAt?: string | null;
  /** Who did it */
  doneBy?: string | null;
  /** Identifier */
  id: string;
  /** What to do */
  title: string;
};

/** Changes; what is left out stays. */
export type TaskPatch = {
  description?: string | null;
  /** Whether it is done */
  done?: boolean | null;
  title?: string | null;
};

/** A task to be written down. */
export type TaskRequest = {
  /** How, in Markdown */
  description?: string;
  /** What to do */
  title: string;
};

/** A token, without its secret. */
export type Token = Scope & {
  /** When */
  createdAt: string;
  /** Who made it */
  createdBy: string;
  /** Until when it is good; none: until revoked */
  expiresAt?: string | null;
  /** Identifier */
  id: string;
  /** Last use (to the minute) */
  lastUsed?: string | null;
  /** What people call it */
  name: string;
};

/** A token to be made. */
export type TokenRequest = Scope & {
  /** Until when it is good; without: until revoked */
  expiresAt?: string | null;
  /** What people call it */
  name: string;
};

/** A token and its text, which is shown this once. */
export type TokenWithText = Token & {
  /** `tfr_…` */
  token: string;
};

/** One action. */
export type TrailEntry = {
  /** What was done */
  action: string;
  /** When */
  at: string;
  /** Which field */
  field?: string | null;
  /** Its value before */
  from?: string | null;
  /** Identifier; later ones are greater */
  id: string;
  /** What it was done to: `incident/12`, `user/ann`, `token/ID`, `workbooks/ID`, `session/ann`, … */
  subject: string;
  /** Its value now */
  to?: string | null;
  /** Who: a user's name, or `token/NAME` */
  who: string;
};

/** A part of the trail. */
export type TrailPage = {
  /** Newest first */
  items: TrailEntry[];
  /** Kinds of things that something was done to */
  kinds: string[];
  /** Who did something, of all there is */
  people: string[];
  /** How many there are */
  total: number;
};

/** A user. */
export type User = {
  /** When made */
  createdAt: string;
  /** May not sign in */
  disabled: boolean;
  /** Name to show */
  displayName: string;
  /** Last sign-in */
  lastSignIn?: string | null;
  /** Must choose a password before anything else */
  mustChange: boolean;
  /** Name to sign in with */
  name: string;
  /** Role */
  role: Role;
};

/** Changes to a user; what is none stays. */
export type UserChange = {
  /** May not sign in */
  disabled?: boolean | null;
  /** Name to show */
  displayName?: string | null;
  role?: Role | null;
};

/** A user to be made. */
export type UserRequest = {
  /** Name to show */
  displayName?: string;
  /** Name to sign in with */
  name: string;
  /** First password; without one, a random one is made */
  password?: string | null;
  /** Role */
  role: Role;
};

/** A user, with a password that was made and is shown this once. */
export type UserWithPassword = User & {
  password?: string | null;
};

export type Value = unknown;

/** Every path with its methods. */
export interface Paths {
  "/api/v1/activity": "GET";
  "/api/v1/events": "GET";
  "/api/v1/health": "GET";
  "/api/v1/history": "GET";
  "/api/v1/incidents": "GET" | "POST";
  "/api/v1/incidents/{number}": "GET" | "PATCH";
  "/api/v1/incidents/{number}/comments": "POST";
  "/api/v1/incidents/{number}/findings": "POST";
  "/api/v1/incidents/{number}/tasks": "POST";
  "/api/v1/incidents/{number}/tasks/{id}": "DELETE" | "PATCH";
  "/api/v1/indicators": "POST";
  "/api/v1/library/{kind}": "GET";
  "/api/v1/library/{kind}/{id}": "PUT" | "DELETE";
  "/api/v1/openapi.json": "GET";
  "/api/v1/queries": "GET";
  "/api/v1/queries/{id}": "DELETE";
  "/api/v1/query/check": "POST";
  "/api/v1/query/complete": "POST";
  "/api/v1/query/explain": "POST";
  "/api/v1/query/export": "POST";
  "/api/v1/query/hover": "POST";
  "/api/v1/rules": "GET";
  "/api/v1/rules/{id}": "GET";
  "/api/v1/schema": "GET";
  "/api/v1/session": "GET" | "POST" | "DELETE";
  "/api/v1/session/all": "GET";
  "/api/v1/session/all/{id}": "DELETE";
  "/api/v1/session/password": "POST";
  "/api/v1/settings": "GET";
  "/api/v1/settings/{name}": "PUT";
  "/api/v1/tables/compact": "POST";
  "/api/v1/tokens": "GET" | "POST";
  "/api/v1/tokens/{id}": "DELETE";
  "/api/v1/users": "GET" | "POST";
  "/api/v1/users/{name}": "DELETE" | "PATCH";
  "/api/v1/users/{name}/password": "POST";
  "/healthz": "GET";
  "/ingest/{source}": "POST";
  "/ingest/{source}/{cluster}": "POST";
  "/metrics": "GET";
  "/readyz": "GET";
  "/v1/$batch": "POST";
  "/v1/rest/auth/metadata": "GET";
  "/v1/rest/mgmt": "POST";
  "/v1/rest/query": "POST";
  "/v1/workspaces/{workspace}/query": "GET" | "POST";
  "/v2/rest/query": "POST";
}
