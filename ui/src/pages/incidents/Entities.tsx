import { Link } from '@tanstack/react-router';
import { Search } from 'lucide-react';
import type { Entity, IncidentDetail } from '../../api/types';
import { AlertEntityLink } from '../../components/EntityLink';
import { EntityIcon, SeverityMark } from '../../components/marks';
import { entityFacts, entityKey, entityText } from '../../lib/entity';
import { useFocus } from '../../lib/focus';
import { entityNode } from '../../lib/graph';
import { literal } from '../../lib/kql';

/** The logs that mention an entity. */
function mentions(entity: Entity): string {
  const name = entityText(entity);
  const word = literal(name);
  return `search in (KubernetesAudit) ${word}\n| sort by TimeGenerated desc\n| take 200`;
}

export function Entities({ incident }: { incident: IncidentDetail }) {
  const focus = useFocus(incident);
  if (incident.entities.length === 0) return <p className="muted">The rules of this incident's alerts name no entities.</p>;
  return (
    <div className="entity-grid">
      {incident.entities.filter((entity) => !focus.isNarrowed || focus.concernsEntity(entity)).map((entity) => {
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
