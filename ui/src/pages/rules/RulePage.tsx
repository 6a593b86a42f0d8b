import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { ArrowLeft, PencilLine, SquareArrowOutUpRight } from 'lucide-react';
import { Fragment } from 'react';
import { ApiError } from '../../api/client';
import { incidentsQuery, ruleQuery, schemaQuery } from '../../api/queries';
import type { Json, Rule } from '../../api/types';
import { JsonTree } from '../../components/JsonTree';
import { SeverityMark, StatusMark, Technique } from '../../components/marks';
import { CopyButton, ErrorNotice, Skeleton, Time } from '../../components/ui';
import { tacticName, techniqueName } from '../../lib/attack';
import { isoDuration } from '../../lib/isoDuration';
import { Markdown } from '../../lib/markdown';
import { number, text } from '../../api/kql';
import { Bars, QueryPanel } from '../../components/Panel';
import { EntityLink } from '../../components/EntityLink';
import { RowsTable } from '../../components/RowsTable';
import { ScopeBar } from '../../components/ScopeBar';
import { TimeChart } from '../../components/TimeChart';
import { ofAlert } from '../../lib/entities';
import { useTitle } from '../../lib/hooks';
import { literal } from '../../lib/kql';
import { useScope } from '../../lib/scope';

/** Shown in their own places; everything else of a definition is listed as it is. */
const SHOWN = new Set(['id', 'name', 'description', 'severity', 'kind', 'tactics', 'techniques', 'relevantTechniques', 'query', 'enabled', 'queryFrequency', 'queryPeriod', 'triggerOperator', 'triggerThreshold', 'response', 'version', 'entityMappings', 'customDetails', 'threatMatrix', 'eventGroupingSettings', 'incidentConfiguration', 'suppressionDuration', 'suppressionEnabled', 'status']);

const OPERATORS: Record<string, string> = { gt: 'more than', lt: 'fewer than', eq: 'exactly', ne: 'other than', GreaterThan: 'more than', LessThan: 'fewer than', Equal: 'exactly', NotEqual: 'other than' };

/** What it raised in the page's range, and what became of it. */
function Raised({ rule, name }: { rule: string; name: string }) {
  const { bin } = useScope();
  const { data: schema } = useQuery(schemaQuery);
  const hasLedger = schema?.tables.some((table) => table.name === 'RuleLedger') ?? false;
  const mine = `AlertType == ${literal(rule)}`;
  return (
    <div className="panels">
      <QueryPanel title="Alerts it raised" span={8} height={170} query={`SecurityAlert\n| where ${mine}\n| summarize arg_min(TimeGenerated, AlertSeverity) by SystemAlertId\n| summarize Alerts = count() by bin(TimeGenerated, ${bin}), AlertSeverity`} empty="It raised none in this range.">
        {(answer) => <TimeChart answer={answer} bars />}
      </QueryPanel>
      <QueryPanel
        title="What became of its incidents"
        span={4}
        height={170}
        query={`SecurityIncident\n| where RelatedAnalyticRuleIds has ${literal(rule)}\n| summarize arg_max(LastModifiedTime, *) by IncidentNumber\n| summarize Incidents = count() by Outcome = iff(Status == "Closed", Classification, Status)`}
        empty="It opened none in this range."
      >
        {(answer) => <Bars bars={answer.rows.map((row) => ({ key: text(row[0]), label: text(row[0]).replace(/([a-z])([A-Z])/g, '$1 $2'), value: number(row[1]) }))} />}
      </QueryPanel>
      <QueryPanel
        title="What sets it off"
        about="Entities of its alerts: where an exception or a list would quieten it"
        span={6}
        height={190}
        query={`SecurityAlert\n| where ${mine}\n| summarize arg_max(TimeGenerated, Entities) by SystemAlertId\n| mv-expand Entity = parse_json(Entities)\n| where tostring(Entity.type) !in ("KubernetesCluster", "KubernetesNamespace")\n| summarize Alerts = dcount(SystemAlertId) by Name = tostring(Entity.name), Type = tostring(Entity.type)\n| top 12 by Alerts`}
        empty="It raised none in this range."
      >
        {(answer) => (
          <Bars
            bars={answer.rows.map((row) => {
              const id = ofAlert({ type: text(row[1]), name: text(row[0]) });
              return { key: `${text(row[1])} ${text(row[0])}`, label: id === null ? text(row[0]) : <EntityLink id={id}>{text(row[0])}</EntityLink>, value: number(row[2]) };
            })}
          />
        )}
      </QueryPanel>
      <QueryPanel
        title="Its runs"
        about={hasLedger ? 'What it saw, when, and how long that took' : 'What detection said of it: failures, windows that were caught up, recoveries'}
        span={6}
        height={190}
        query={hasLedger ? `RuleLedger\n| where RuleId == ${literal(rule)}\n| project TimeGenerated, Status, Evaluation, WindowStart, WindowEnd, RowsSeen, RowsConcerned, Alerts, DurationMs, Error\n| sort by TimeGenerated desc\n| take 200` : `TaffrailHealth\n| where ResourceName in (${literal(rule)}, ${literal(name)})\n| project TimeGenerated, Status, Operation, Description, Reason\n| sort by TimeGenerated desc\n| take 100`}
        empty={hasLedger ? 'It did not run in this range: no row concerned it.' : 'Nothing went wrong with it in this range.'}
      >
        {(answer) => <RowsTable answer={answer} />}
      </QueryPanel>
    </div>
  );
}

export function RulePage() {
  const { id } = useParams({ from: '/app/rules/$id' });
  const { data: rule, error, refetch } = useQuery(ruleQuery(id));
  useTitle(rule?.name ?? 'Rule');
  const { data: found } = useQuery({ ...incidentsQuery({ search: rule?.id ?? id }), enabled: rule !== undefined });

  if (error) {
    return (
      <div className="column" style={{ padding: 24 }}>
        <Link to="/rules" className="row">
          <ArrowLeft className="icon small" /> Rules
        </Link>
        {error instanceof ApiError && error.status === 404 ? <p>There is no rule {id}. It may have been renamed or switched off by a newer version.</p> : <ErrorNotice error={error} retry={() => void refetch()} />}
      </div>
    );
  }
  if (rule === undefined) return <Skeleton />;
  const rest = Object.entries(rule).filter(([name, value]) => !SHOWN.has(name) && value !== null && value !== undefined && value !== '') as [string, Json][];
  const incidents = (found?.items ?? []).filter((incident) => incident.rules.includes(rule.id));
  const query = rule.query ?? '';

  return (
    <>
      <div className="page-head" style={{ flexDirection: 'column', alignItems: 'stretch', gap: 8, paddingBottom: 14 }}>
        <div className="row spread wrap">
          <Link to="/rules" search={{}} className="row" style={{ gap: 5 }}>
            <ArrowLeft className="icon small" /> Rules
          </Link>
          <ScopeBar />
        </div>
        <div className="row wrap">
          <SeverityMark severity={rule.severity} badge />
          <h1>{rule.name}</h1>
          {!rule.enabled && <span className="chip">Off</span>}
          <span className="grow" />
          <Link to="/rules/new" search={{ from: rule.id }} className="button">
            <PencilLine className="icon small" /> Change and simulate
          </Link>
        </div>
      </div>
      <div className="page-scroll">
        <div className="rule-page">
          <div className="column" style={{ gap: 16 }}>
            <section className="card">
              <header>
                <h2>Why it matters</h2>
              </header>
              <div className="body">
                <Markdown text={rule.description} />
              </div>
            </section>
            <Raised rule={rule.id} name={rule.name} />
            <section className="card">
              <header>
                <h2 className="grow">Query</h2>
                <CopyButton text={query} />
                <Link className="button small" to="/logs" search={{ q: query, t: 'all' }}>
                  <SquareArrowOutUpRight className="icon small" /> Run in Logs
                </Link>
              </header>
              <div className="body">
                <pre className="block kql" tabIndex={0}>
                  {query}
                </pre>
              </div>
            </section>
            {Array.isArray(rule.response) && rule.response.length > 0 && (
              <section className="card">
                <header>
                  <h2>What to do when it speaks</h2>
                </header>
                <div className="body">
                  <ol style={{ paddingLeft: 18 }} className="column">
                    {rule.response.map((step) => (
                      <li key={step}>
                        <Markdown text={step} />
                      </li>
                    ))}
                  </ol>
                </div>
              </section>
            )}
            <section className="card">
              <header>
                <h2>From rows to incidents</h2>
              </header>
              <div className="body">
                <p>{grouping(rule)}</p>
              </div>
            </section>
            <Mappings value={rule.entityMappings ?? null} />
            {rest.length > 0 && (
              <section className="card">
                <header>
                  <h2>Everything else it says</h2>
                </header>
                <div className="body">
                  <JsonTree value={Object.fromEntries(rest)} />
                </div>
              </section>
            )}
          </div>
          <div className="side">
            <section className="card">
              <header>
                <h2>Facts</h2>
              </header>
              <div className="body">
                <dl className="facts">
                  <dt>Kind</dt>
                  <dd>{rule.kind === 'NRT' ? 'NRT: as events arrive' : rule.kind}</dd>
                  {rule.queryFrequency && (
                    <>
                      <dt>Runs</dt>
                      <dd>every {isoDuration(rule.queryFrequency)}</dd>
                    </>
                  )}
                  {rule.queryPeriod && (
                    <>
                      <dt>Looks at</dt>
                      <dd>the last {isoDuration(rule.queryPeriod)}</dd>
                    </>
                  )}
                  {rule.triggerOperator && (
                    <>
                      <dt>Speaks on</dt>
                      <dd>
                        {OPERATORS[rule.triggerOperator] ?? rule.triggerOperator} {rule.triggerThreshold ?? 0} rows
                      </dd>
                    </>
                  )}
                  <dt>Identifier</dt>
                  <dd className="mono">{rule.id}</dd>
                  {rule.version && (
                    <>
                      <dt>Version</dt>
                      <dd>{rule.version}</dd>
                    </>
                  )}
                  {Object.entries(rule.customDetails ?? {}).map(([name, value]) => (
                    <Fragment key={name}>
                      <dt>{name}</dt>
                      <dd className="mono">{String(value)}</dd>
                    </Fragment>
                  ))}
                </dl>
              </div>
            </section>
            <section className="card">
              <header>
                <h2>ATT&amp;CK</h2>
              </header>
              <div className="body column" style={{ gap: 8 }}>
                <div>{rule.tactics.map(tacticName).join(', ') || 'None named'}</div>
                {rule.techniques.map((technique) => (
                  <div key={technique} className="row">
                    <Technique id={technique} />
                    <span>{techniqueName(technique)}</span>
                  </div>
                ))}
                {(rule.threatMatrix ?? []).length > 0 && <div className="muted">Threat matrix for Kubernetes: {(rule.threatMatrix ?? []).join(', ')}</div>}
              </div>
            </section>
            <section className="card">
              <header>
                <h2>Incidents from it</h2>
                {incidents.length > 0 && <span className="count">{incidents.length}</span>}
              </header>
              <div className="body column" style={{ gap: 8 }}>
                {incidents.length === 0 && <span className="muted">None yet.</span>}
                {incidents.slice(0, 8).map((incident) => (
                  <div key={incident.number} className="column" style={{ gap: 2 }}>
                    <Link to="/incidents/$number" params={{ number: String(incident.number) }}>
                      #{incident.number} {incident.title}
                    </Link>
                    <span className="row faint">
                      <StatusMark status={incident.status} /> <Time at={incident.lastActivity} />
                    </span>
                  </div>
                ))}
              </div>
            </section>
          </div>
        </div>
      </div>
    </>
  );
}

/** In words: what becomes one alert, and which alerts one incident. */
function grouping(rule: Rule): string {
  const alerts = rule.eventGroupingSettings?.aggregationKind === 'AlertPerResult' ? 'Each row of the result is an alert.' : 'All rows of a run are one alert.';
  const silent = rule.suppressionEnabled && rule.suppressionDuration ? ` After an alert the rule is silent for ${isoDuration(rule.suppressionDuration)}.` : '';
  const incident = rule.incidentConfiguration;
  if (incident?.createIncident === false) return `${alerts} Its alerts make no incidents.${silent}`;
  const group = incident?.groupingConfiguration;
  if (!group?.enabled) return `${alerts} Each alert is an incident of its own.${silent}`;
  const by = [...(group.groupByEntities ?? []), ...(group.groupByAlertDetails ?? []), ...(group.groupByCustomDetails ?? [])];
  const same = group.matchingMethod === 'AnyAlert' ? 'All alerts of the rule' : by.length > 0 && group.matchingMethod === 'Selected' ? `Alerts with the same ${by.join(' and ')}` : 'Alerts with the same entities';
  const within = group.lookbackDuration ? ` within ${isoDuration(group.lookbackDuration)}` : '';
  return `${alerts} ${same}${within} are one incident; when it is closed already, ${group.reopenClosedIncident ? 'it is opened again' : 'a new one is made'}.${silent}`;
}

interface Mapping {
  entityType?: string;
  fieldMappings?: { identifier?: string; columnName?: string }[];
}

/** Which columns become which entities. */
function Mappings({ value }: { value: Json }) {
  if (!Array.isArray(value) || value.length === 0) return null;
  const mappings = value as unknown as Mapping[];
  return (
    <section className="card">
      <header>
        <h2>Entities it names</h2>
      </header>
      <table className="table">
        <thead>
          <tr>
            <th>Entity</th>
            <th>From the columns</th>
          </tr>
        </thead>
        <tbody>
          {mappings.map((mapping, i) => (
            <tr key={i}>
              <td>{mapping.entityType}</td>
              <td>
                <div className="chips">
                  {(mapping.fieldMappings ?? []).map((field, j) => (
                    <span key={j} className="chip">
                      {field.identifier}: <b className="mono">{field.columnName}</b>
                    </span>
                  ))}
                </div>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
