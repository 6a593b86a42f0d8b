// Incidents that share entities, rules or techniques with this one, most alike first.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { request } from '../../api/client';
import type { Entity, Incident, IncidentPage } from '../../api/types';
import { SeverityMark, StatusMark } from '../../components/marks';
import { Time } from '../../components/ui';
import { entityKey, entityText } from '../../lib/entity';
import { stringifySearch } from '../../lib/address';

/** As the server keys entities. */
const key = (entity: Entity): string => `${entity.type}/${String(entity['cluster'] ?? '')}/${String(entity['namespace'] ?? '')}/${entity.name.toLowerCase()}`;

export interface Alike {
  incident: Incident;
  score: number;
  why: string[];
}

export function alike(incident: Incident, others: Incident[]): Alike[] {
  const entities = new Map(incident.entities.filter((e) => e.type !== 'KubernetesCluster').map((e) => [entityKey(e), e]));
  return others
    .filter((other) => other.number !== incident.number)
    .map((other) => {
      const shared = other.entities.filter((e) => entities.has(entityKey(e)));
      const rules = other.rules.filter((rule) => incident.rules.includes(rule));
      const techniques = other.techniques.filter((t) => incident.techniques.includes(t));
      const why = [...shared.slice(0, 2).map((e) => `same ${e.type.replace(/^Kubernetes/, '').toLowerCase()} ${entityText(e)}`), ...(rules.length > 0 ? ['same rule'] : techniques.length > 0 ? [`also ${techniques[0]}`] : [])];
      // An address or pod in common says more than a technique.
      return { incident: other, why, score: shared.length * 3 + rules.length * 2 + techniques.length };
    })
    .filter((one) => one.score > 1)
    .sort((a, b) => b.score - a.score || Date.parse(b.incident.lastActivity) - Date.parse(a.incident.lastActivity));
}

export function Similar({ incident }: { incident: Incident }) {
  const entities = incident.entities.filter((e) => e.type !== 'KubernetesCluster').slice(0, 12).map(key);
  const { data, isPending } = useQuery({
    queryKey: ['similar', incident.number, entities, incident.techniques],
    staleTime: 60_000,
    queryFn: async ({ signal }) => {
      const ask = (search: Record<string, unknown>): Promise<IncidentPage> => request<IncidentPage>(`/api/v1/incidents${stringifySearch({ ...search, limit: 60 })}`, { signal });
      const pages = await Promise.all([...(entities.length > 0 ? [ask({ entity: entities })] : []), ...(incident.techniques.length > 0 ? [ask({ technique: incident.techniques })] : [])]);
      return [...new Map(pages.flatMap((page) => page.items).map((item) => [item.number, item])).values()];
    },
  });
  const found = alike(incident, data ?? []).slice(0, 6);
  if (isPending && data === undefined) return <div className="skeleton" />;
  if (found.length === 0) return <span className="muted">None shares an entity, a rule or a technique.</span>;
  return (
    <ul className="plain">
      {found.map(({ incident: other, why }) => (
        <li key={other.number} className="column" style={{ gap: 2, padding: '5px 0' }}>
          <span className="row">
            <SeverityMark severity={other.severity} />
            <Link to="/incidents/$number" params={{ number: String(other.number) }} className="grow ellipsis" title={other.title}>
              #{other.number} {other.title}
            </Link>
          </span>
          <span className="row faint" style={{ fontSize: 12 }}>
            <StatusMark status={other.status} />
            <span className="grow ellipsis">{why.join(', ')}</span>
            <Time at={other.lastActivity} />
          </span>
        </li>
      ))}
    </ul>
  );
}
