// One page for an incident: no blades, no second console.
import { useQuery } from '@tanstack/react-query';
import { Link, useParams, useSearch } from '@tanstack/react-router';
import { ArrowLeft } from 'lucide-react';
import { ApiError } from '../../api/client';
import { incidentQuery } from '../../api/queries';
import { SeverityMark, Technique } from '../../components/marks';
import { NotFound } from '../../components/Shell';
import { ErrorNotice, Skeleton, Time } from '../../components/ui';
import { useIncidentEvents } from '../../api/events';
import { tacticName } from '../../lib/attack';
import { useNow, useTitle } from '../../lib/hooks';
import { Activity } from './Activity';
import { Alerts } from './Alerts';
import { Entities } from './Entities';
import { FocusBar } from './FocusBar';
import { Investigate } from './Investigate';
import { Overview } from './Overview';
import { Triage, openFor, verdictLabel } from './actions';

export function IncidentPage() {
  const params = useParams({ from: '/app/incidents/$number' });
  const { tab = 'overview', alert, sel, from, to } = useSearch({ from: '/app/incidents/$number' });
  const number = Number(params.number);
  const { data: incident, error, refetch } = useQuery({ ...incidentQuery(number), enabled: Number.isInteger(number) && number > 0 });
  const now = useNow();
  useTitle(incident === undefined ? `Incident ${params.number}` : `#${number} ${incident.title}`);
  useIncidentEvents((event) => {
    if (event.number === number || event.number === 0) void refetch();
  });

  if (!Number.isInteger(number) || number < 1) return <NotFound />;
  if (error && incident === undefined) {
    return (
      <div style={{ padding: 24 }} className="column measure">
        <Back />
        {error instanceof ApiError && error.status === 404 ? (
          <div className="empty">
            <h2>There is no incident {number}</h2>
            <p>It may have been removed, or the number is mistyped.</p>
            <Link to="/incidents" search={{}} className="button primary">
              All incidents
            </Link>
          </div>
        ) : (
          <ErrorNotice error={error} retry={() => void refetch()} />
        )}
      </div>
    );
  }
  if (incident === undefined) return <Skeleton lines={10} />;

  const tabs = [
    ['overview', 'Overview', null],
    ['investigate', 'Investigate', null],
    ['alerts', 'Alerts', incident.alerts.length],
    ['entities', 'Entities', incident.entities.length],
    ['activity', 'Activity and comments', incident.comments.length],
  ] as const;

  return (
    <>
      <header className="incident-head">
        <div className="row spread">
          <Back />
        </div>
        <div className="incident-title">
          <SeverityMark severity={incident.severity} badge />
          <h1>
            <span className="muted number">#{incident.number}</span> {incident.title}
          </h1>
          <div className="row wrap">
            <Triage incident={incident} />
          </div>
        </div>
        <div className="factline">
          <span className="fact">
            <span className="name">First activity</span> <Time at={incident.firstActivity} />
          </span>
          <span className="fact">
            <span className="name">Last activity</span> <Time at={incident.lastActivity} />
          </span>
          <span className="fact">
            <span className="name">{incident.closedAt === null ? 'Open for' : 'Was open for'}</span> {openFor(incident, now)}
          </span>
          {incident.cluster && (
            <span className="fact">
              <span className="name">Cluster</span> {incident.cluster}
            </span>
          )}
          {incident.classification !== null && (
            <span className="fact">
              <span className="name">Closed as</span> {verdictLabel(incident.classification, incident.classificationReason)}
            </span>
          )}
          <span className="fact">
            <span>{incident.tactics.map(tacticName).join(', ')}</span>
            {incident.techniques.map((id) => (
              <Technique key={id} id={id} />
            ))}
          </span>
        </div>
        <nav className="tabs" aria-label="Parts of the incident">
          {tabs.map(([id, label, count]) => (
            <Link
              key={id}
              to="/incidents/$number"
              params={params}
              search={{ ...(id === 'overview' ? {} : { tab: id }), sel, from, to }}
              className="tab"
              activeOptions={{ exact: true, includeSearch: true }}
              aria-current={tab === id ? 'page' : undefined}
              replace
            >
              {label}
              {count !== null && count > 0 && <span className="count">{count}</span>}
            </Link>
          ))}
        </nav>
      </header>
      <div className="incident-body">
        {(tab === 'overview' || tab === 'alerts' || tab === 'entities') && <FocusBar incident={incident} />}
        {tab === 'overview' && <Overview incident={incident} />}
        {tab === 'investigate' && <Investigate key={number} incident={incident} />}
        {tab === 'alerts' && <Alerts incident={incident} open={alert} />}
        {tab === 'entities' && <Entities incident={incident} />}
        {tab === 'activity' && <Activity incident={incident} />}
      </div>
    </>
  );
}

function Back() {
  return (
    <button type="button" className="link row" style={{ gap: 5 }} onClick={() => (history.length > 1 ? history.back() : location.assign('/'))}>
      <ArrowLeft className="icon small" /> Incidents
    </button>
  );
}
