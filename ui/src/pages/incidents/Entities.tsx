import { Link } from '@tanstack/react-router';
import { Search } from 'lucide-react';
import { useKql } from '../../api/kql';
import type { Entity, IncidentDetail } from '../../api/types';
import { AlertEntityLink } from '../../components/EntityLink';
import { EntityIcon, SeverityMark } from '../../components/marks';
import { Spark } from '../../components/Panel';
import { course } from '../../lib/course';
import { eventsOf, ofAlert, type EntityId } from '../../lib/entities';
import { entityFacts, entityKey, entityText } from '../../lib/entity';
import { useFocus } from '../../lib/focus';
import { entityNode } from '../../lib/graph';
import { literal } from '../../lib/kql';
import { binFor, binSeconds } from '../../lib/scope';

/** The logs that mention an entity. */
function mentions(entity: Entity): string {
  const name = entityText(entity);
  const word = literal(name);
  return `search in (KubernetesAudit) ${word}\n| sort by TimeGenerated desc\n| take 200`;
}

/** So many are asked about by themselves; each is a query. */
const ASKED = 12;
const HOUR = 3_600_000;

/** What it did and what happened to it, around the incident. */
function Recent({ id, incident }: { id: EntityId; incident: IncidentDetail }) {
  const ends: [number, number] = [Date.parse(incident.firstActivity) - 6 * HOUR, Date.parse(incident.lastActivity) + HOUR];
  const bin = binFor({ kind: 'between', start: new Date(ends[0]).toISOString(), end: new Date(ends[1]).toISOString() }, 60);
  const { data } = useKql(`${eventsOf(id)}\n| summarize Events = count() by bin(TimeGenerated, ${bin})\n| sort by TimeGenerated asc`, { timespan: `${new Date(ends[0]).toISOString()}/${new Date(ends[1]).toISOString()}` });
  if (data === undefined || data.rows.length === 0) return null;
  const values = course(data.rows, 0, 1, binSeconds(bin), ends);
  return (
    <div className="row" style={{ gap: 10 }}>
      <span className="faint number nowrap">{values.reduce((a, b) => a + b, 0).toLocaleString('en-US')} requests</span>
      <div className="grow" style={{ height: 24 }}>
        <Spark values={values} label="Requests from six hours before the incident to an hour after it" />
      </div>
    </div>
  );
}

export function Entities({ incident }: { incident: IncidentDetail }) {
  const focus = useFocus(incident);
  if (incident.entities.length === 0) return <p className="muted">The rules of this incident's alerts name no entities.</p>;
  return (
    <div className="entity-grid">
      {incident.entities.filter((entity) => !focus.isNarrowed || focus.concernsEntity(entity)).map((entity, at) => {
        const id = ofAlert(entity);
        const key = entityKey(entity);
        const alerts = incident.alerts.filter((alert) => alert.entities.some((e) => entityKey(e) === key));
        return (
          <article className="card entity" key={key}>
            <div className="row">
              <EntityIcon type={entity.type} />
              <b style={{ overflowWrap: 'anywhere' }} className="grow">
                <AlertEntityLink entity={entity}>{entityText(entity)}</AlertEntityLink>
              </b>
              <span className="faint">{entity.type}</span>
            </div>
            <dl className="facts">
              {entityFacts(entity).map(([name, value]) => (
                <div key={name} style={{ display: 'contents' }}>
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
            {id !== null && at < ASKED && <Recent id={id} incident={incident} />}
            {alerts.length > 0 && (
              <div className="column" style={{ gap: 4 }}>
                {alerts.slice(0, 4).map((alert) => (
                  <Link key={alert.id} to="/incidents/$number" params={{ number: String(incident.number) }} search={{ tab: 'alerts', alert: alert.id }} className="row">
                    <SeverityMark severity={alert.severity} />
                    <span className="ellipsis">{alert.title}</span>
                  </Link>
                ))}
                {alerts.length > 4 && <span className="faint">and {alerts.length - 4} more alerts</span>}
              </div>
            )}
            <div className="row wrap" style={{ marginTop: 'auto' }}>
              <button type="button" className="button small" aria-pressed={focus.selected === entityNode(entity)} onClick={() => focus.select(entityNode(entity))}>
                Only this
              </button>
              <Link className="button small" to="/logs" search={{ q: mentions(entity), t: 'all' }}>
                <Search className="icon small" /> Its events
              </Link>
              <Link className="button small" to="/incidents" search={{ search: entityText(entity) }}>
                Other incidents
              </Link>
            </div>
          </article>
        );
      })}
    </div>
  );
}
