// One thing: what is known of it, what it did and what happened to it, its alerts, what it has to do with.
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { ArrowLeft, SquareArrowOutUpRight } from 'lucide-react';
import { Fragment, useMemo } from 'react';
import { list, number, objects, text, useKql } from '../../api/kql';
import { incidentsQuery } from '../../api/queries';
import type { Json, Severity } from '../../api/types';
import { EntityLink } from '../../components/EntityLink';
import { EntityIcon, SeverityMark, StatusMark } from '../../components/marks';
import { Chart } from '../../components/Chart';
import { Asked, Bars, Panel, QueryPanel } from '../../components/Panel';
import { RowsTable } from '../../components/RowsTable';
import { ScopeBar } from '../../components/ScopeBar';
import { NotFound } from '../../components/Shell';
import { TimeChart } from '../../components/TimeChart';
import { CopyButton, Time } from '../../components/ui';
import { ENTITIES, ENTITY_KINDS, ICON_TYPES, alertsOf, entityLabel, eventsOf, ofLogin, type EntityId, type EntityKind } from '../../lib/entities';
import { useTitle } from '../../lib/hooks';
import { literal } from '../../lib/kql';
import { summarize } from '../../lib/timeline';
import { rangeEnds, useScope } from '../../lib/scope';
import { absolute, duration } from '../../lib/time';

const TABS = [
  [undefined, 'Overview'],
  ['timeline', 'Timeline'],
  ['alerts', 'Alerts'],
] as const;

export function EntityPage() {
  const { kind } = useParams({ from: '/app/entities/$kind' });
  const search = useSearch({ from: '/app/entities/$kind' });
  const name = search.name ?? '';
  useTitle(name === '' ? 'Entity' : name);
  if (!(ENTITY_KINDS as readonly string[]).includes(kind) || name === '') return <NotFound />;
  return <Known key={`${kind} ${search.namespace ?? ''} ${name}`} id={{ kind: kind as EntityKind, name, namespace: search.namespace }} />;
}

function Known({ id }: { id: EntityId }) {
  const search = useSearch({ from: '/app/entities/$kind' });
  const params = useParams({ from: '/app/entities/$kind' });
  const tab = search.tab ?? 'overview';
  const definition = ENTITIES[id.kind];
  const alerts = useKql(alertsOf(id));
  const raised = objects(alerts.data);
  const worst = raised.reduce<number>((most, row) => Math.max(most, number(row['Rank'])), -1);
  return (
    <>
      <header className="entity-head">
        <div className="row spread wrap">
          <Link to="/entities" search={{ kind: id.kind === 'account' ? undefined : id.kind }} className="row" style={{ gap: 5 }}>
            <ArrowLeft className="icon small" /> {definition.plural}
          </Link>
          <ScopeBar />
        </div>
        <div className="row wrap" style={{ gap: 12 }}>
          <span className="entity-icon">
            <EntityIcon type={ICON_TYPES[id.kind]} />
          </span>
          <div className="grow">
            <h1 style={{ overflowWrap: 'anywhere' }}>{id.name}</h1>
            <div className="muted">
              {definition.label}
              {id.namespace !== undefined && id.namespace !== '' && (
                <>
                  {' '}
                  in <EntityLink id={{ kind: 'namespace', name: id.namespace }} />
                </>
              )}
            </div>
          </div>
          {worst >= 0 && <SeverityMark severity={(['Informational', 'Low', 'Medium', 'High'] as Severity[])[worst] ?? 'Informational'} badge />}
          <CopyButton text={entityLabel(id)} />
          <Link className="button" to="/logs" search={{ q: `${eventsOf(id)}\n| sort by TimeGenerated desc\n| take 500` }}>
            <SquareArrowOutUpRight className="icon small" /> Open in Logs
          </Link>
        </div>
        <nav className="tabs" aria-label="Parts">
          {TABS.map(([key, label]) => (
            <Link key={label} to="/entities/$kind" params={params} search={{ name: id.name, namespace: id.namespace, tab: key }} className="tab" activeOptions={{ exact: true, includeSearch: true }} aria-current={tab === (key ?? 'overview') ? 'page' : undefined} replace>
              {label}
              {key === 'alerts' && raised.length > 0 && <span className="count">{raised.length}</span>}
            </Link>
          ))}
        </nav>
      </header>
      <div className="incident-body">
        {tab === 'overview' && <Overview id={id} />}
        {tab === 'timeline' && <Timeline id={id} />}
        {tab === 'alerts' && (
          <Panel title="Alerts that name it">
            <Asked data={alerts.data} error={alerts.error} pending={alerts.isPending} empty="No alert of this range names it.">
              {() => <Alerts rows={raised} />}
            </Asked>
          </Panel>
        )}
      </div>
    </>
  );
}

function Overview({ id }: { id: EntityId }) {
  const { bin } = useScope();
  const definition = ENTITIES[id.kind];
  const facts = useKql(definition.facts(id));
  const alerts = useKql(alertsOf(id));
  const incidents = useQuery(incidentsQuery({ search: id.name }));
  return (
    <div className="entity-grid-page">
      <div className="panels">
        <QueryPanel title="Activity" about="Requests by verb; draw across to narrow the time" span={12} height={210} query={`${eventsOf(id)}\n| summarize Requests = count() by bin(TimeGenerated, ${bin}), Verb`} empty="No request of this range has to do with it. Choose a longer range.">
          {(answer) => <TimeChart answer={answer} bars />}
        </QueryPanel>
        {definition.by && <Usual id={id} />}
        {definition.related(id).map((related) => (
          <QueryPanel key={related.title} title={related.title} span={6} query={related.query} empty="None in this range.">
            {(answer) => (
              <Bars
                bars={objects(answer).map((row) => {
                  const name = text(row['Name']);
                  const namespace = row['Namespace'] === undefined ? undefined : text(row['Namespace']);
                  const target: EntityId | null = related.kind === undefined || name === '' || name.startsWith('(') ? null : related.kind === 'account' ? ofLogin(name) : { kind: related.kind, name, namespace };
                  const shown = namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
                  return {
                    key: shown,
                    value: number(row['Events']),
                    label: target === null ? <span title={shown}>{shown === '' ? '(empty)' : shown}</span> : <EntityLink id={target}>{shown}</EntityLink>,
                  };
                })}
              />
            )}
          </QueryPanel>
        ))}
      </div>
      <div className="side">
        <Panel title="Facts">
          <Asked data={facts.data} error={facts.error} pending={facts.isPending} retry={() => void facts.refetch()} empty="No event of this range has to do with it.">
            {(answer) => <Facts row={objects(answer)[0] ?? {}} />}
          </Asked>
        </Panel>
        <Panel title="Alerts" about="Newest first">
          <Asked data={alerts.data} error={alerts.error} pending={alerts.isPending} empty="No alert of this range names it.">
            {(answer) => (
              <ul className="list">
                {objects(answer)
                  .slice(0, 8)
                  .map((row) => (
                    <li key={text(row['SystemAlertId'])} style={{ alignItems: 'flex-start' }}>
                      <SeverityMark severity={text(row['AlertSeverity']) as Severity} />
                      <span className="grow">
                        <AlertName row={row} />
                      </span>
                      <Time at={text(row['EndTime'])} className="faint" />
                    </li>
                  ))}
              </ul>
            )}
          </Asked>
        </Panel>
        <Panel title="Incidents">
          {incidents.data?.items.length === 0 && <div className="panel-said muted">No incident names it.</div>}
          <ul className="list">
            {(incidents.data?.items ?? []).slice(0, 8).map((incident) => (
              <li key={incident.number}>
                <StatusMark status={incident.status} />
                <Link to="/incidents/$number" params={{ number: String(incident.number) }} className="grow ellipsis">
                  #{incident.number} {incident.title}
                </Link>
              </li>
            ))}
          </ul>
        </Panel>
      </div>
    </div>
  );
}

const MONTH = 30 * 86_400_000;

/** What it usually does: its hours over a month, and what it did in this range for the first time. */
function Usual({ id }: { id: EntityId }) {
  const { range } = useScope();
  const by = ENTITIES[id.kind].by?.(id) ?? 'false';
  // Of the moment the range was chosen, so that the queries stay the same.
  const span = useMemo(() => {
    const ends = rangeEnds(range) ?? [Date.now() - MONTH, Date.now()];
    return { start: new Date(ends[0]).toISOString(), month: `${new Date(ends[1] - MONTH).toISOString()}/${new Date(ends[1]).toISOString()}` };
  }, [range]);
  return (
    <>
      <QueryPanel
        title="New for it"
        about="Seen in this range for the first time in 30 days"
        span={6}
        height={240}
        timespan={span.month}
        t={span.month}
        query={`let Began = datetime(${span.start});
KubernetesAudit
| where ${by}
| mv-expand What = pack_array(strcat("does ", Action), strcat("from ", SourceIp), iff(isempty(Namespace), "", strcat("in namespace ", Namespace)), strcat("with ", tostring(split(UserAgent, " ")[0]))) to typeof(string)
| where isnotempty(What)
| summarize First = min(TimeGenerated), Events = count() by What
| where First >= Began
| top 40 by First desc
| project First, What, Events`}
        empty="Nothing: everything it did, it had done before."
      >
        {(answer) => <RowsTable answer={answer} />}
      </QueryPanel>
      <QueryPanel
        title="Its hours"
        about="Requests by day and hour (UTC) of the last 30 days"
        span={6}
        height={240}
        timespan={span.month}
        t={span.month}
        query={`KubernetesAudit
| where ${by}
| summarize Requests = count() by Hour = format_datetime(TimeGenerated, "HH"), Day = format_datetime(TimeGenerated, "yyyy-MM-dd")
| sort by Day desc, Hour asc`}
        empty="No request in 30 days."
      >
        {(answer) => <Chart kind="pivotchart" columns={answer.columns} rows={hours(answer.rows)} render={null} look={{ compact: true }} />}
      </QueryPanel>
    </>
  );
}

/** Every hour has its place, whether or not something happened in it. */
function hours(rows: Json[][]): Json[][] {
  const first = rows[0]?.[1] ?? '';
  const all = Array.from({ length: 24 }, (_, hour): Json[] => [String(hour).padStart(2, '0'), first, 0]);
  return [...all, ...rows];
}

function AlertName({ row }: { row: Record<string, Json> }) {
  const incident = number(row['Incident']);
  const title = text(row['DisplayName']) || text(row['AlertName']);
  if (incident === 0) {
    return (
      <Link to="/rules/$id" params={{ id: text(row['AlertType']) }}>
        {title}
      </Link>
    );
  }
  return (
    <Link to="/incidents/$number" params={{ number: String(incident) }} search={{ tab: 'alerts', alert: text(row['SystemAlertId']) }}>
      {title}
    </Link>
  );
}

function Alerts({ rows }: { rows: Record<string, Json>[] }) {
  return (
    <div className="scrolls">
      <table className="table">
        <thead>
          <tr>
            <th>Severity</th>
            <th>Alert</th>
            <th>Rule</th>
            <th>Incident</th>
            <th>When</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={text(row['SystemAlertId'])}>
              <td>
                <SeverityMark severity={text(row['AlertSeverity']) as Severity} />
              </td>
              <td>
                <AlertName row={row} />
              </td>
              <td>
                <Link to="/rules/$id" params={{ id: text(row['AlertType']) }}>
                  {text(row['AlertName'])}
                </Link>
              </td>
              <td className="number">{number(row['Incident']) === 0 ? <span className="faint">none</span> : `#${number(row['Incident'])}`}</td>
              <td>
                <Time at={text(row['EndTime'])} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Facts({ row }: { row: Record<string, Json> }) {
  return (
    <dl className="facts" style={{ padding: '10px 14px 14px' }}>
      {Object.entries(row).map(([name, value]) => {
        const said = fact(value);
        return said === null ? null : (
          <Fragment key={name}>
            <dt>{name}</dt>
            <dd>{said}</dd>
          </Fragment>
        );
      })}
    </dl>
  );
}

function fact(value: Json): React.ReactNode {
  if (value === null || value === '' || value === '[]' || value === '{}') return null;
  if (typeof value === 'number') return <span className="number">{value.toLocaleString('en-US')}</span>;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  const said = text(value);
  if (/^\d{4}-\d\d-\d\dT/.test(said)) return <Time at={said} />;
  const items = list(value);
  if (items.length > 0) return items.map((item, i) => <div key={i}>{text(item)}</div>);
  if (said.startsWith('{')) {
    try {
      return Object.entries(JSON.parse(said) as Record<string, Json>).map(([k, v]) => (
        <div key={k} className="mono">
          {k}={text(v)}
        </div>
      ));
    } catch {
      return said;
    }
  }
  return said;
}

const SHOWN = 300;

/** What matters first: what changes things, what is refused, what acts inside workloads. */
function Timeline({ id }: { id: EntityId }) {
  const search = useSearch({ from: '/app/entities/$kind' });
  const navigate = useNavigate({ from: '/entities/$kind' });
  const all = search.events === 'all';
  const query = `${eventsOf(id)}${all ? '' : '\n| where Level == "Warning" or Verb !in ("get", "list", "watch") or ResponseCode in (401, 403)'}
| project TimeGenerated, Username, EventType, Resource, Subresource, Namespace, Name, Command, SourceIp, ResponseCode, Level, AuditId
| sort by TimeGenerated desc
| take ${SHOWN}`;
  return (
    <QueryPanel
      title="Timeline"
      about={all ? 'Everything, newest first' : 'Changes, commands and refusals, newest first'}
      query={query}
      empty="Nothing in this range."
      actions={
        <div className="segmented" role="group" aria-label="Events">
          <button type="button" aria-pressed={!all} onClick={() => void navigate({ search: { ...search, events: undefined }, replace: true })}>
            What matters
          </button>
          <button type="button" aria-pressed={all} onClick={() => void navigate({ search: { ...search, events: 'all' }, replace: true })}>
            Everything
          </button>
        </div>
      }
    >
      {(answer) => (
        <>
          <ol className="stream">
            {answer.rows.map((row, i) => {
              const code = number(row[9]);
              return (
                <li key={i}>
                  <time dateTime={text(row[0])}>{absolute(text(row[0]))}</time>
                  <span style={{ overflowWrap: 'anywhere' }}>
                    {row[10] === 'Warning' && <b style={{ color: 'var(--medium)' }}>! </b>}
                    {summarize(answer.columns, row)} {code >= 400 && <span style={{ color: 'var(--danger)' }}>({code})</span>}{' '}
                    <Link to="/logs" search={{ q: `KubernetesAudit\n| where AuditId == ${literal(text(row[11]))}`, t: 'all' }} className="faint">
                      event
                    </Link>
                  </span>
                </li>
              );
            })}
          </ol>
          <div className="panel-said faint" style={{ minHeight: 40 }}>
            {answer.rows.length >= SHOWN ? `The newest ${SHOWN}; the rest is in Logs.` : `${answer.rows.length} events, in ${duration(answer.took)}`}
          </div>
        </>
      )}
    </QueryPanel>
  );
}
