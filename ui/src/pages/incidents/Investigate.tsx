// Graph, time and list of an incident, with one selection and one part of the time for all three.
import { useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { ArrowUpRight, Plus, SquareArrowOutUpRight } from 'lucide-react';
import { useMemo, useState } from 'react';
import { kqlQuery, number, objects, text } from '../../api/kql';
import type { IncidentDetail, Severity } from '../../api/types';
import { EntityLink, entityAddress } from '../../components/EntityLink';
import { GraphView } from '../../components/GraphView';
import { EntityIcon, SeverityMark } from '../../components/marks';
import { TimeBrush, type Mark } from '../../components/TimeBrush';
import { notify, notifyError } from '../../components/toast';
import { ENTITIES, ICON_TYPES, alertsOf, entityLabel, eventsOf, ofLogin, type EntityId } from '../../lib/entities';
import { alertNode, entityNode, idNode, incidentGraph, merge, type Graph, type GraphNode } from '../../lib/graph';
import { useKeys } from '../../lib/hooks';
import { absolute } from '../../lib/time';
import { timeline, type Moment } from '../../lib/timeline';

/** Exploring looks an hour before and after. */
const AROUND = 3_600_000;
const MOST = 12;

export function Investigate({ incident }: { incident: IncidentDetail }) {
  const search = useSearch({ from: '/app/incidents/$number' });
  const navigate = useNavigate({ from: '/incidents/$number' });
  const [more, setMore] = useState<Graph>({ nodes: [], edges: [] });
  const own = useMemo(() => incidentGraph(incident), [incident]);
  const graph = useMemo(() => merge(own, more), [own, more]);
  const moments = useMemo(() => timeline(incident.alerts), [incident.alerts]);
  const selected = search.sel ?? null;
  const node = graph.nodes.find((n) => n.id === selected);
  const from = search.from === undefined ? null : Date.parse(search.from);
  const to = search.to === undefined ? null : Date.parse(search.to);
  const set = (change: Partial<typeof search>): void => void navigate({ search: { ...search, tab: 'investigate', ...change }, replace: true });
  const select = (id: string | null): void => set({ sel: id === null || id === selected ? undefined : id });
  useKeys({ Escape: () => set({ sel: undefined, from: undefined, to: undefined }) });

  const inTime = (at: number): boolean => from === null || to === null || (at >= from && at <= to);
  const concerns = (moment: Moment): boolean => {
    if (node === undefined) return true;
    if (node.kind === 'alert') return moment.alert.id === node.alert?.id;
    if (moment.kind === 'alert') return moment.alert.entities.some((e) => entityNode(e) === node.id);
    // An event concerns what it names.
    return moment.alert.entities.some((e) => entityNode(e) === node.id) && mentions(moment, node);
  };
  const shown = moments.filter((moment) => inTime(moment.at) && concerns(moment));
  // What is in the chosen part of the time, and what the selection is tied to.
  const focus = useMemo(() => {
    if (node === undefined && from === null) return null;
    const keep = new Set<string>();
    const live = incident.alerts.filter((alert) => moments.some((moment) => moment.alert.id === alert.id && inTime(moment.at)));
    for (const alert of live) {
      keep.add(alertNode(alert));
      for (const entity of alert.entities) keep.add(entityNode(entity));
    }
    for (const n of more.nodes) keep.add(n.id);
    if (node === undefined) return keep;
    const near = new Set([node.id]);
    for (const edge of graph.edges) {
      if (edge.from === node.id && keep.has(edge.to)) near.add(edge.to);
      if (edge.to === node.id && keep.has(edge.from)) near.add(edge.from);
    }
    return near;
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the functions above follow from these
  }, [node, from, to, graph, moments]);

  const marks: Mark[] = moments.map((moment) => (moment.kind === 'alert' ? { at: moment.at, color: `var(--${moment.alert.severity.toLowerCase()})`, strong: node?.alert?.id === moment.alert.id } : { at: moment.at }));
  const open = (opened: GraphNode): void => {
    if (opened.entity) void navigate(entityAddress(opened.entity));
    else if (opened.alert) set({ tab: 'alerts', alert: opened.alert.id });
  };

  return (
    <div className="investigate">
      <section className="card graph-card" aria-label="Graph">
        <GraphView graph={graph} selected={selected} focus={focus} onSelect={select} onOpen={open} />
        {moments.length > 0 && <TimeBrush marks={marks} from={from} to={to} onChange={(a, b) => set({ from: a === null ? undefined : new Date(a).toISOString(), to: b === null ? undefined : new Date(b).toISOString() })} />}
      </section>
      <aside className="card side-list">
        {node === undefined ? <Everything graph={graph} focus={focus} onSelect={select} /> : <Chosen incident={incident} node={node} graph={graph} onSelect={select} onFound={(found) => setMore((before) => merge(before, found))} base={own} />}
      </aside>
      <section className="card moments" aria-label="Events">
        <header>
          <h2 className="grow">What happened {node === undefined ? '' : `around ${node.label}`}</h2>
          <span className="faint number">
            {shown.length} of {moments.length}
          </span>
          {(node !== undefined || from !== null) && (
            <button type="button" className="button small" onClick={() => set({ sel: undefined, from: undefined, to: undefined })}>
              Show everything
            </button>
          )}
        </header>
        <div className="scrolls" tabIndex={0} role="region" aria-label="Events in their order">
          <table className="table">
            <tbody>
              {shown.slice(0, 400).map((moment, i) => {
                const id = alertNode(moment.alert);
                return (
                  <tr key={i} aria-selected={id === selected} onClick={() => select(id)} style={{ cursor: 'pointer' }}>
                    <td className="number nowrap faint" style={{ width: 150 }}>
                      {absolute(moment.at)}
                    </td>
                    <td style={{ width: 92 }}>{moment.kind === 'alert' ? <SeverityMark severity={moment.alert.severity} /> : <span className="faint">event</span>}</td>
                    <td style={{ overflowWrap: 'anywhere' }}>
                      {moment.kind === 'alert' ? (
                        <button
                          type="button"
                          className="link"
                          onClick={(event) => {
                            event.stopPropagation();
                            select(id);
                          }}
                        >
                          <b>{moment.alert.title}</b>
                        </button>
                      ) : (
                        <span className="muted">{moment.summary}</span>
                      )}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
          {shown.length === 0 && <p className="muted" style={{ padding: 14 }}>Nothing of the incident is in this part of the time.</p>}
        </div>
      </section>
    </div>
  );
}

function mentions(moment: Moment, node: GraphNode): boolean {
  if (moment.kind !== 'event') return true;
  const name = (node.entity?.name ?? node.label).toLowerCase();
  return moment.row.some((value) => typeof value === 'string' && value.toLowerCase().includes(name)) || moment.summary.toLowerCase().includes(name);
}

/** Everything in the graph as a list: the same as the drawing says, for reading and for the keyboard. */
function Everything({ graph, focus, onSelect }: { graph: Graph; focus: ReadonlySet<string> | null; onSelect: (id: string) => void }) {
  const degree = (id: string): number => graph.edges.filter((e) => e.from === id || e.to === id).length;
  const entities = graph.nodes.filter((n) => n.kind === 'entity' && (focus === null || focus.has(n.id))).sort((a, b) => degree(b.id) - degree(a.id));
  const alerts = graph.nodes.filter((n) => n.kind === 'alert' && (focus === null || focus.has(n.id)));
  return (
    <div className="column" style={{ gap: 10, padding: 14 }}>
      <p className="muted">Choose an entity or an alert, here or in the graph. Choosing shows what is known of it, and looks for more from there.</p>
      <h3 className="muted">
        Entities <span className="count">{entities.length}</span>
      </h3>
      <ul className="plain">
        {entities.map((n) => (
          <li key={n.id}>
            <button type="button" className="node-button" onClick={() => onSelect(n.id)}>
              <EntityIcon type={n.type} />
              <span className="grow ellipsis">{n.label}</span>
              <span className="faint number">{degree(n.id)}</span>
            </button>
          </li>
        ))}
      </ul>
      <h3 className="muted">
        Alerts <span className="count">{alerts.length}</span>
      </h3>
      <ul className="plain">
        {alerts.map((n) => (
          <li key={n.id}>
            <button type="button" className="node-button" onClick={() => onSelect(n.id)}>
              <SeverityMark severity={n.severity ?? 'Informational'} />
              <span className="grow ellipsis">{n.label}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

interface ChosenProps {
  incident: IncidentDetail;
  node: GraphNode;
  graph: Graph;
  base: Graph;
  onSelect: (id: string | null) => void;
  onFound: (graph: Graph) => void;
}

function Chosen({ incident, node, graph, onSelect, onFound }: ChosenProps) {
  const client = useQueryClient();
  const [counts, setCounts] = useState<Record<string, number | 'asking'>>({});
  const neighbours = graph.nodes.filter((n) => graph.edges.some((e) => (e.from === node.id && e.to === n.id) || (e.to === node.id && e.from === n.id)));
  const span = `${new Date(Date.parse(incident.firstActivity) - AROUND).toISOString()}/${new Date(Date.parse(incident.lastActivity) + AROUND).toISOString()}`;

  const explore = (id: EntityId, title: string, query: string, kind: 'alerts' | EntityId['kind'] | undefined): void => {
    const key = `${node.id} ${title}`;
    setCounts((before) => ({ ...before, [key]: 'asking' }));
    client
      .fetchQuery(kqlQuery(query, span))
      .then((answer) => {
        const rows = objects(answer).slice(0, MOST);
        const found: Graph = { nodes: [node], edges: [] };
        for (const row of rows) {
          let added: GraphNode | null = null;
          if (kind === 'alerts') {
            added = { id: `alert ${text(row['SystemAlertId'])}`, kind: 'alert', type: 'Alert', label: text(row['DisplayName']) || text(row['AlertName']), severity: text(row['AlertSeverity']) as Severity, found: true };
          } else if (kind !== undefined && text(row['Name']) !== '') {
            const name = text(row['Name']);
            const target: EntityId = kind === 'account' ? ofLogin(name) : { kind, name, namespace: row['Namespace'] === undefined ? undefined : text(row['Namespace']) };
            added = { id: idNode(target), kind: 'entity', type: ICON_TYPES[target.kind], label: entityLabel(target), entity: target, found: true };
          }
          if (added === null) continue;
          found.nodes.push(added);
          found.edges.push({ id: `${node.id}>${added.id}`, from: node.id, to: added.id });
        }
        const known = new Set(graph.nodes.map((n) => n.id));
        const fresh = found.nodes.filter((n) => !known.has(n.id)).length;
        onFound(found);
        setCounts((before) => ({ ...before, [key]: answer.rows.length }));
        notify(answer.rows.length === 0 ? `Nothing found: ${title.toLowerCase()}` : `${title}: ${answer.rows.length} found, ${fresh} new`);
      })
      .catch((error: unknown) => {
        setCounts((before) => ({ ...before, [key]: 0 }));
        notifyError(error);
      });
    void id;
  };

  const id = node.entity;
  return (
    <div className="column" style={{ gap: 12, padding: 14 }}>
      <button type="button" className="link" onClick={() => onSelect(null)}>
        Everything
      </button>
      <div className="row" style={{ alignItems: 'flex-start' }}>
        {node.kind === 'alert' ? <SeverityMark severity={node.severity ?? 'Informational'} badge /> : <EntityIcon type={node.type} />}
        <b style={{ overflowWrap: 'anywhere' }} className="grow">
          {node.label}
        </b>
      </div>
      {node.kind === 'entity' && <span className="muted">{id === undefined ? node.type : ENTITIES[id.kind].label}</span>}
      {node.alert && (
        <>
          <span className="muted">
            {absolute(node.alert.firstActivity)}, {node.alert.count} events,{' '}
            {node.alert.rule === '' ? (
              'found by a person'
            ) : (
              <>
                rule{' '}
                <Link to="/rules/$id" params={{ id: node.alert.rule }}>
                  {node.alert.ruleName}
                </Link>
              </>
            )}
          </span>
          <Link to="/incidents/$number" params={{ number: String(incident.number) }} search={{ tab: 'alerts', alert: node.alert.id }} className="button small" style={{ alignSelf: 'flex-start' }}>
            Its evidence
          </Link>
        </>
      )}
      {id !== undefined && (
        <>
          <div className="row wrap">
            <EntityLink id={id} className="button small">
              <ArrowUpRight className="icon small" /> Its page
            </EntityLink>
            <Link to="/logs" search={{ q: `${eventsOf(id)}\n| sort by TimeGenerated asc\n| take 500`, t: span }} className="button small">
              <SquareArrowOutUpRight className="icon small" /> Its events
            </Link>
          </div>
          <h3 className="muted">Look for more</h3>
          <ul className="plain">
            {[{ title: 'Other alerts that name it', kind: 'alerts' as const, query: alertsOf(id) }, ...ENTITIES[id.kind].related(id).filter((r) => r.kind !== undefined)].map((related) => {
              const count = counts[`${node.id} ${related.title}`];
              return (
                <li key={related.title}>
                  <button type="button" className="node-button" disabled={count === 'asking'} onClick={() => explore(id, related.title, related.query, related.kind)}>
                    {count === 'asking' ? <span className="spinner" /> : <Plus className="icon small" />}
                    <span className="grow">{related.title}</span>
                    {typeof count === 'number' && <span className="count">{number(count)}</span>}
                  </button>
                </li>
              );
            })}
          </ul>
        </>
      )}
      <h3 className="muted">
        Tied to <span className="count">{neighbours.length}</span>
      </h3>
      <ul className="plain">
        {neighbours.map((n) => (
          <li key={n.id}>
            <button type="button" className="node-button" onClick={() => onSelect(n.id)}>
              {n.kind === 'alert' ? <SeverityMark severity={n.severity ?? 'Informational'} /> : <EntityIcon type={n.type} />}
              <span className="grow ellipsis">{n.label}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
