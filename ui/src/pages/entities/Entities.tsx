// Every thing that occurs in the logs, by kind.
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Search, ShieldQuestion } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { number, objects, text, useKql } from '../../api/kql';
import type { Json } from '../../api/types';
import { EntityLink } from '../../components/EntityLink';
import { EntityIcon } from '../../components/marks';
import { OpenInLogs } from '../../components/Panel';
import { PageHead } from '../../components/ScopeBar';
import { Empty, ErrorNotice, Skeleton, Time } from '../../components/ui';
import { ENTITIES, ENTITY_KINDS, ICON_TYPES, type EntityKind } from '../../lib/entities';
import { useKeys, useTitle } from '../../lib/hooks';
import { literal } from '../../lib/kql';

const SHOWN = 300;

function listQuery(kind: EntityKind, words: string): string {
  const entity = ENTITIES[kind];
  const found = words === '' ? '' : `\n| where ${[`Name contains ${literal(words)}`, ...(entity.namespaced ? [`strcat(Namespace, "/", Name) contains ${literal(words)}`] : [])].join(' or ')}`;
  return `${entity.all}${found}\n| top ${SHOWN} by Events`;
}

const alerted = (kind: EntityKind): string => `SecurityAlert
| summarize arg_max(TimeGenerated, AlertSeverity, Entities) by SystemAlertId
| mv-expand Entity = parse_json(Entities)
| where tostring(Entity.type) in (${ENTITIES[kind].types.map((t) => literal(t)).join(', ')})
| summarize Alerts = count(), High = countif(AlertSeverity == "High") by Name = tostring(Entity.name), Namespace = tostring(Entity.namespace)`;

export function Entities() {
  useTitle('Entities');
  const search = useSearch({ from: '/app/entities' });
  const navigate = useNavigate({ from: '/entities' });
  const kind = search.kind ?? 'account';
  const entity = ENTITIES[kind];
  const field = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState(search.search ?? '');
  const set = (change: Partial<typeof search>): void => void navigate({ search: { ...search, ...change }, replace: true });
  useEffect(() => {
    const timer = setTimeout(() => {
      if (typed.trim() !== (search.search ?? '')) set({ search: typed.trim() || undefined });
    }, 250);
    return () => clearTimeout(timer);
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [typed]);
  useKeys({ '/': () => field.current?.focus() });

  const query = listQuery(kind, search.search ?? '');
  const { data, error, isPending, refetch } = useKql(query);
  const alerts = useKql(alerted(kind));
  const counts = new Map(objects(alerts.data).map((row) => [`${text(row['Namespace'])}/${text(row['Name'])}`, row]));
  const rows = objects(data).map((row) => {
    const name = text(row['Name']);
    const namespace = entity.namespaced ? text(row['Namespace']) : undefined;
    const login = kind === 'serviceaccount' ? `/system:serviceaccount:${namespace ?? ''}:${name}` : kind === 'node' ? `/system:node:${name}` : undefined;
    const hits = [counts.get(`${namespace ?? ''}/${name}`), login === undefined ? undefined : counts.get(login)].filter((hit) => hit !== undefined);
    const sum = (column: string): number => hits.reduce((total, hit) => total + number(hit[column]), 0);
    return { row, name, namespace, alerts: sum('Alerts'), high: sum('High') };
  });
  rows.sort((a, b) => b.high - a.high || b.alerts - a.alerts || number(b.row['Events']) - number(a.row['Events']));
  const columns = (data?.columns ?? []).filter((c) => !['Name', 'Namespace', 'Latest'].includes(c.name));

  return (
    <>
      <PageHead title="Entities" count={data === undefined ? undefined : rows.length >= SHOWN ? `the ${SHOWN} busiest` : rows.length} />
      <div className="kinds">
        <div className="segmented" role="group" aria-label="Kind">
          {ENTITY_KINDS.map((k) => (
            <button key={k} type="button" aria-pressed={k === kind} onClick={() => set({ kind: k === 'account' ? undefined : k })}>
              <EntityIcon type={ICON_TYPES[k]} />
              {ENTITIES[k].plural}
            </button>
          ))}
        </div>
        <div className="search">
          <Search className="icon" />
          <input ref={field} className="input" type="search" aria-label="Find an entity" placeholder={`Find among ${entity.plural.toLowerCase()}`} value={typed} onChange={(event) => setTyped(event.target.value)} />
        </div>
        <OpenInLogs query={query} />
      </div>
      <div className="page-scroll">
        <p className="muted" style={{ paddingBottom: 10 }}>
          {entity.about}
        </p>
        {error && data === undefined && <ErrorNotice error={error} retry={() => void refetch()} />}
        {isPending && <Skeleton />}
        {data !== undefined && rows.length === 0 && (
          <Empty icon={<ShieldQuestion />} title={`No ${entity.plural.toLowerCase()} here`}>
            <p>{search.search === undefined ? 'No event of this range names one. Choose a longer range above, or connect a source.' : `Nothing of this range contains “${search.search}”.`}</p>
          </Empty>
        )}
        {rows.length > 0 && (
          <div className="card" style={{ overflow: 'auto' }} tabIndex={0} role="region" aria-label={entity.plural}>
            <table className="table">
              <thead>
                <tr>
                  <th>{entity.label}</th>
                  {entity.namespaced && <th>Namespace</th>}
                  <th style={{ textAlign: 'right' }}>Alerts</th>
                  {columns.map((c) => (
                    <th key={c.name} style={{ textAlign: 'right' }}>
                      {c.name}
                    </th>
                  ))}
                  <th>Last seen</th>
                </tr>
              </thead>
              <tbody className="number">
                {rows.map(({ row, name, namespace, alerts: count, high }) => (
                  <tr key={`${namespace ?? ''}/${name}`}>
                    <td>
                      <EntityLink id={{ kind, name, namespace }} className="row">
                        <EntityIcon type={ICON_TYPES[kind]} />
                        <span style={{ overflowWrap: 'anywhere' }}>{name}</span>
                      </EntityLink>
                    </td>
                    {entity.namespaced && <td className="muted">{namespace}</td>}
                    <td style={{ textAlign: 'right' }}>{count === 0 ? <span className="faint">0</span> : <b style={{ color: high > 0 ? 'var(--high)' : 'var(--medium)' }}>{count}</b>}</td>
                    {columns.map((c) => (
                      <td key={c.name} style={{ textAlign: 'right' }}>
                        {shown(row[c.name])}
                      </td>
                    ))}
                    <td>
                      <Time at={text(row['Latest'])} className="muted" />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </div>
    </>
  );
}

const shown = (value: Json | undefined): React.ReactNode => (typeof value === 'number' ? value === 0 ? <span className="faint">0</span> : value.toLocaleString('en-US') : text(value));
