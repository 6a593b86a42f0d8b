// What is new, who has it, what went silent, what it costs.
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { ArrowRight, ShieldCheck } from 'lucide-react';
import { useIncidentEvents } from '../../api/events';
import { number, objects, text, useKql } from '../../api/kql';
import { healthQuery, incidentsQuery, queryClient } from '../../api/queries';
import type { Severity } from '../../api/types';
import { EntityLink } from '../../components/EntityLink';
import { EntityIcon, Owner, SeverityMark } from '../../components/marks';
import { Bars, Panel, QueryPanel, Tile } from '../../components/Panel';
import { PageHead } from '../../components/ScopeBar';
import { TimeChart } from '../../components/TimeChart';
import { Empty, ErrorNotice, Time, Tip } from '../../components/ui';
import { techniqueName } from '../../lib/attack';
import { bytes } from '../../lib/bytes';
import { compact } from '../../lib/chart';
import { ofAlert } from '../../lib/entities';
import { SEVERITIES } from '../../lib/filters';
import { course } from '../../lib/course';
import { FRESH, freshness } from '../../lib/freshness';
import { useNow, useTitle } from '../../lib/hooks';
import { columnName } from '../../lib/kql';
import { binSeconds, rangeEnds, useScope } from '../../lib/scope';
import { useSession } from '../../lib/session';
import { duration, relative } from '../../lib/time';

const LATEST = `SecurityIncident
| summarize arg_max(LastModifiedTime, *) by IncidentNumber`;

const COLORS: Record<Severity, string> = { High: 'var(--high)', Medium: 'var(--chart-2)', Low: 'var(--chart-7)', Informational: 'var(--chart-11)' };
const RISK: Record<Severity, number> = { High: 10, Medium: 4, Low: 2, Informational: 1 };

/** One row for the tiles: counts, and how long it took to take and to close, in seconds. */
const WORK = `let Changes = SecurityIncident;
let Taken = Changes | where Status != "New" | summarize Taken = min(LastModifiedTime) by IncidentNumber;
Changes
| summarize arg_max(LastModifiedTime, *) by IncidentNumber
| join kind=leftouter Taken on IncidentNumber
| summarize Created = count(), Closed = countif(Status == "Closed"), Acknowledge = percentile(iff(isnull(Taken), real(null), (Taken - CreatedTime) / 1s), 50), Close = percentile(iff(isnull(ClosedTime), real(null), (ClosedTime - CreatedTime) / 1s), 50)`;

export function Overview() {
  useTitle('Overview');
  const { bin } = useScope();
  const navigate = useNavigate();
  useIncidentEvents(() => void queryClient.invalidateQueries({ queryKey: ['incidents'] }));
  return (
    <>
      <PageHead title="Overview" />
      <div className="page-scroll column" style={{ gap: 14 }}>
        <Tiles />
        <div className="panels">
          <QueryPanel title="New incidents by severity" span={6} height={220} query={`${LATEST}\n| summarize Incidents = count() by bin(CreatedTime, ${bin}), Severity`} empty="No incident was opened in this range.">
            {(answer) => <TimeChart answer={answer} bars onPick={(severity) => void navigate({ to: '/incidents', search: { severity: [severity] } })} />}
          </QueryPanel>
          <QueryPanel title="Alerts by severity" span={6} height={220} query={`SecurityAlert\n| summarize arg_min(TimeGenerated, AlertSeverity) by SystemAlertId\n| summarize Alerts = count() by bin(TimeGenerated, ${bin}), AlertSeverity`} empty="No rule raised an alert in this range.">
            {(answer) => <TimeChart answer={answer} bars />}
          </QueryPanel>
          <Urgent />
          <Techniques />
          <Risk />
          <Ownership />
          <Ingestion />
          <Tables />
          <Health />
        </div>
      </div>
    </>
  );
}

function Tiles() {
  const scope = useScope();
  const fresh = useQuery(incidentsQuery({ status: ['New'], cluster: scope.cluster }));
  const active = useQuery(incidentsQuery({ status: ['Active'], cluster: scope.cluster }));
  const work = useKql(WORK);
  const asked = useKql(`KubernetesAudit\n| summarize Events = count() by bin(TimeGenerated, ${scope.bin})\n| sort by TimeGenerated asc`);
  const alerts = useKql(`SecurityAlert\n| summarize Alerts = dcount(SystemAlertId) by bin(TimeGenerated, ${scope.bin})\n| sort by TimeGenerated asc`);
  const row = objects(work.data)[0];
  const high = fresh.data?.facets['severity']?.['High'] ?? 0;
  const unowned = active.data?.facets['owner']?.[''] ?? 0;
  const spent = (name: string): string => {
    const value = row?.[name];
    return value === null || value === undefined || value === 'NaN' ? '–' : duration(number(value) * 1000);
  };
  const ends = rangeEnds(scope.range);
  const events = course(asked.data?.rows ?? [], 0, 1, binSeconds(scope.bin), ends);
  const raised = course(alerts.data?.rows ?? [], 0, 1, binSeconds(scope.bin), ends);
  const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);
  if (fresh.error && fresh.data === undefined) return <ErrorNotice error={fresh.error} retry={() => void fresh.refetch()} />;
  return (
    <div className="tiles">
      <Link to="/incidents" search={{ status: ['New'] }} className="card tile" data-tone={high > 0 ? 'high' : undefined}>
        <span className="tile-label">New incidents</span>
        <span className="tile-value number">{fresh.data?.total ?? '…'}</span>
        <span className="tile-hint faint">{high > 0 ? `${high} of high severity` : 'none of high severity'}</span>
      </Link>
      <Link to="/incidents" search={{ status: ['Active'] }} className="card tile">
        <span className="tile-label">Being worked on</span>
        <span className="tile-value number">{active.data?.total ?? '…'}</span>
        <span className="tile-hint faint">{unowned > 0 ? `${unowned} without an owner` : 'none without an owner'}</span>
      </Link>
      <Tile label="Time to acknowledge" value={spent('Acknowledge')} hint="median of this range" />
      <Tile label="Time to close" value={spent('Close')} hint={`${number(row?.['Closed'])} closed of ${number(row?.['Created'])}`} />
      <Tile label="Alerts" value={alerts.data === undefined ? '…' : compact(sum(raised))} spark={raised} />
      <Tile label="Audit events" value={asked.data === undefined ? '…' : compact(sum(events))} spark={events} />
    </div>
  );
}

/** What should be looked at first. */
function Urgent() {
  const { cluster } = useScope();
  const { user } = useSession();
  const { data, error, refetch } = useQuery(incidentsQuery({ status: ['New', 'Active'], sort: 'severity', cluster }));
  return (
    <Panel
      title="Look at these first"
      about="Open incidents, worst first"
      span={6}
      height={300}
      actions={
        <Link to="/incidents" search={{ status: ['New', 'Active'], sort: 'severity' }} className="button quiet small">
          All <ArrowRight className="icon small" />
        </Link>
      }
    >
      {error && <ErrorNotice error={error} retry={() => void refetch()} />}
      {data?.items.length === 0 && (
        <Empty icon={<ShieldCheck />} title="Nothing is open">
          <p>New incidents appear here by themselves.</p>
        </Empty>
      )}
      {data !== undefined && data.items.length > 0 && (
        <ul className="list" tabIndex={0} aria-label="Open incidents">
          {data.items.slice(0, 14).map((incident) => (
            <li key={incident.number}>
              <span style={{ width: 74, flex: 'none' }}>
                <SeverityMark severity={incident.severity} />
              </span>
              <Link to="/incidents/$number" params={{ number: String(incident.number) }} className="grow ellipsis" title={incident.title}>
                <span className="muted number">#{incident.number}</span> {incident.title}
              </Link>
              <span style={{ width: 104, flex: 'none' }}>
                <Owner name={incident.owner} me={user.name} />
              </span>
              <Time at={incident.lastActivity} className="faint" />
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

const parts = (row: Record<string, unknown>, weight: Record<Severity, number> | null) =>
  SEVERITIES.map((severity) => ({ name: severity, value: number(row[severity] as never) * (weight === null ? 1 : weight[severity]), color: COLORS[severity] })).filter((part) => part.value > 0);

function Techniques() {
  return (
    <QueryPanel
      title="Alerts by technique"
      span={6}
      height={300}
      query={`SecurityAlert
| summarize arg_max(TimeGenerated, *) by SystemAlertId
| extend Detailed = set_union(parse_json(SubTechniques), parse_json(Techniques))
| mv-expand Technique = Detailed to typeof(string)
| where isnotempty(Technique)
| summarize High = dcountif(SystemAlertId, AlertSeverity == "High"), Medium = dcountif(SystemAlertId, AlertSeverity == "Medium"), Low = dcountif(SystemAlertId, AlertSeverity == "Low"), Informational = dcountif(SystemAlertId, AlertSeverity == "Informational"), Alerts = dcount(SystemAlertId) by Technique
| top 25 by Alerts`}
      empty="No alert in this range."
      actions={
        <Link to="/attack" search={{}} className="button quiet small">
          Matrix <ArrowRight className="icon small" />
        </Link>
      }
    >
      {(answer) => (
        <Bars
          bars={objects(answer).map((row) => {
            const id = text(row['Technique']);
            return {
              key: id,
              value: number(row['Alerts']),
              parts: parts(row, null),
              label: (
                <Link to="/attack" search={{ technique: id }}>
                  <span className="mono muted">{id}</span> {techniqueName(id) ?? ''}
                </Link>
              ),
            };
          })}
        />
      )}
    </QueryPanel>
  );
}

function Risk() {
  return (
    <QueryPanel
      title="Entities at risk"
      about="By the severity of the alerts that name them"
      span={6}
      height={300}
      query={`SecurityAlert
| summarize arg_max(TimeGenerated, AlertSeverity, Entities) by SystemAlertId
| mv-expand Entity = parse_json(Entities)
| extend Type = tostring(Entity.type), Name = tostring(Entity.name), Namespace = tostring(Entity.namespace)
| where isnotempty(Name) and Type != "KubernetesCluster"
| summarize Risk = sum(case(AlertSeverity == "High", 10, AlertSeverity == "Medium", 4, AlertSeverity == "Low", 2, 1)), High = countif(AlertSeverity == "High"), Medium = countif(AlertSeverity == "Medium"), Low = countif(AlertSeverity == "Low"), Informational = countif(AlertSeverity == "Informational") by Type, Name, Namespace
| top 20 by Risk`}
      empty="No alert names an entity in this range."
      actions={
        <Link to="/entities" search={{}} className="button quiet small">
          Entities <ArrowRight className="icon small" />
        </Link>
      }
    >
      {(answer) => (
        <Bars
          bars={objects(answer).map((row) => {
            const entity = { type: text(row['Type']), name: text(row['Name']), namespace: text(row['Namespace']) };
            const id = ofAlert(entity);
            const shown = entity.namespace === '' ? entity.name : `${entity.namespace}/${entity.name}`;
            return {
              key: `${entity.type} ${shown}`,
              value: number(row['Risk']),
              parts: parts(row, RISK),
              label: (
                <>
                  <EntityIcon type={entity.type} />
                  {id === null ? <span title={entity.type}>{shown}</span> : <EntityLink id={id}>{shown}</EntityLink>}
                </>
              ),
            };
          })}
        />
      )}
    </QueryPanel>
  );
}

function Ownership() {
  const { cluster, bin } = useScope();
  const { user } = useSession();
  const { data } = useQuery(incidentsQuery({ status: ['New', 'Active'], sort: 'severity', cluster }));
  const owners = Object.entries(data?.facets['owner'] ?? {});
  return (
    <div style={{ '--span': 6 } as React.CSSProperties} className="column">
      <Panel title="Who has them" about="Open incidents by owner" className="grow">
        {owners.length === 0 ? (
          <div className="panel-said muted">Nothing is open.</div>
        ) : (
          <Bars
            bars={owners.slice(0, 5).map(([name, count]) => ({
              key: name,
              value: count,
              label: (
                <Link to="/incidents" search={{ status: ['New', 'Active'], owner: [name === '' ? '(none)' : name] }}>
                  <Owner name={name === '' ? null : name} me={user.name} />
                </Link>
              ),
            }))}
          />
        )}
      </Panel>
      <QueryPanel title="Status over time" about="Changes of incidents, by the status after them" height={150} query={`SecurityIncident\n| summarize Changes = count() by bin(LastModifiedTime, ${bin}), Status`} empty="No incident changed in this range.">
        {(answer) => <TimeChart answer={answer} bars />}
      </QueryPanel>
    </div>
  );
}

/** Tables that hold rows. */
function useStored(): string[] {
  const { data } = useQuery(healthQuery);
  return (data?.tables ?? []).filter((t) => t.rows > 0).map((t) => t.name);
}

function Ingestion() {
  const stored = useStored();
  const { bin } = useScope();
  if (stored.length === 0) return null;
  return (
    <QueryPanel title="What comes in" about="Rows by table" span={6} height={260} query={`union withsource=Table ${stored.map(columnName).join(', ')}\n| summarize Rows = count() by bin(TimeGenerated, ${bin}), Table`}>
      {(answer) => <TimeChart answer={answer} kind="areachart" render={{ visualization: 'stackedareachart', kind: 'stacked' }} />}
    </QueryPanel>
  );
}

function Tables() {
  const stored = useStored();
  const now = useNow();
  const { data: health } = useQuery(healthQuery);
  const { range } = useScope();
  const ends = rangeEnds(range, now);
  if (stored.length === 0) return null;
  return (
    <QueryPanel
      title="Sources"
      about="Last event, rows of this range, and what is stored"
      span={6}
      height={260}
      query={`union withsource=Table ${stored.map(columnName).join(', ')}\n| summarize Rows = count(), Latest = max(TimeGenerated) by Table\n| sort by Rows desc`}
      actions={
        <Link to="/sources" search={{}} className="button quiet small">
          Sources <ArrowRight className="icon small" />
        </Link>
      }
    >
      {(answer) => (
        <div className="scrolls" tabIndex={0} role="region" aria-label="Sources">
          <table className="table">
            <thead>
              <tr>
                <th>Table</th>
                <th>Last event</th>
                <th style={{ textAlign: 'right' }}>Rows</th>
                <th style={{ textAlign: 'right' }}>Rate</th>
                <th style={{ textAlign: 'right' }}>Stored</th>
              </tr>
            </thead>
            <tbody className="number">
              {objects(answer).map((row) => {
                const table = text(row['Table']);
                const latest = text(row['Latest']);
                const state = freshness(latest, now);
                const rows = number(row['Rows']);
                const seconds = ends === undefined ? null : (ends[1] - ends[0]) / 1000;
                const kept = health?.tables.find((t) => t.name === table);
                return (
                  <tr key={table}>
                    <td>
                      <Link to="/logs" search={{ q: `${columnName(table)}\n| take 50` }} className="mono">
                        {table}
                      </Link>
                    </td>
                    <td>
                      <Tip text={`${table} is ${FRESH[state]}`}>
                        <span className="row" style={{ gap: 7 }}>
                          <i className="state" data-state={state} role="img" aria-label={FRESH[state]} />
                          {relative(latest, now)}
                        </span>
                      </Tip>
                    </td>
                    <td style={{ textAlign: 'right' }}>{rows.toLocaleString('en-US')}</td>
                    <td style={{ textAlign: 'right' }}>{seconds === null ? '–' : `${compact(rows / seconds)}/s`}</td>
                    <td style={{ textAlign: 'right' }}>{kept === undefined ? '–' : kept.bytes === 0 ? <span className="faint">in memory</span> : bytes(kept.bytes)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </QueryPanel>
  );
}

/** Rules and parts that failed. */
function Health() {
  return (
    <QueryPanel
      title="What fails"
      about="Rules, sources and parts that reported a failure"
      span={12}
      query={`TaffrailHealth
| where Status in ("Failure", "Warning", "Partial success")
| summarize Times = count(), arg_max(TimeGenerated, Status, Description, Reason) by Component, ResourceName, Operation
| top 20 by TimeGenerated`}
      empty={
        <span className="row" style={{ color: 'var(--ok)' }}>
          <ShieldCheck className="icon" /> No rule, source or part reported a failure in this range.
        </span>
      }
    >
      {(answer) => (
        <div className="scrolls">
          <table className="table">
            <thead>
              <tr>
                <th>When</th>
                <th>Part</th>
                <th>What</th>
                <th>Said</th>
                <th style={{ textAlign: 'right' }}>Times</th>
              </tr>
            </thead>
            <tbody>
              {objects(answer).map((row, i) => (
                <tr key={i}>
                  <td>
                    <Time at={text(row['TimeGenerated'])} />
                  </td>
                  <td>{text(row['ResourceName']) || text(row['Component'])}</td>
                  <td>{text(row['Operation'])}</td>
                  <td>{text(row['Reason']) || text(row['Description'])}</td>
                  <td style={{ textAlign: 'right' }}>{text(row['Times'])}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </QueryPanel>
  );
}
