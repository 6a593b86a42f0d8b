// What happens by itself after an alert, and how other programs are told.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { BellOff, GitMerge, Radio, Terminal } from 'lucide-react';
import { useState } from 'react';
import { rulesQuery } from '../../api/queries';
import type { Rule } from '../../api/types';
import { SeverityMark } from '../../components/marks';
import { PageHead } from '../../components/ScopeBar';
import { CopyButton, ErrorNotice, Skeleton } from '../../components/ui';
import { useTitle } from '../../lib/hooks';
import { isoDuration } from '../../lib/isoDuration';
import { useMay } from '../../lib/session';

const TABS = ['grouping', 'silence', 'connect'] as const;
type Tab = (typeof TABS)[number];

export function Automation() {
  useTitle('Automation');
  const { data, error, isPending, refetch } = useQuery(rulesQuery);
  const [tab, setTab] = useState<Tab>('grouping');
  const rules = data ?? [];
  const groups = rules.filter((rule) => rule.incidentConfiguration?.groupingConfiguration?.enabled === true);
  const silent = rules.filter((rule) => rule.suppressionEnabled === true && rule.suppressionDuration);
  const context = rules.filter((rule) => rule.incidentConfiguration?.createIncident === false || rule.severity === 'Informational');
  return (
    <>
      <PageHead title="Automation" scope={false} />
      <div className="page-scroll column" style={{ gap: 14 }}>
        <div className="gallery">
          <Card icon={<GitMerge className="icon" />} title="Alerts become incidents" active={tab === 'grouping'} onClick={() => setTab('grouping')}>
            {groups.length} rules put alerts that belong together into one incident; {context.length} raise alerts that are context only.
          </Card>
          <Card icon={<BellOff className="icon" />} title="Silence after an alert" active={tab === 'silence'} onClick={() => setTab('silence')}>
            {silent.length} rules are silent for a while after they spoke.
          </Card>
          <Card icon={<Radio className="icon" />} title="Tell other programs" active={tab === 'connect'} onClick={() => setTab('connect')}>
            Incidents as a live stream, as an API, and as tables to query.
          </Card>
        </div>
        {error && <ErrorNotice error={error} retry={() => void refetch()} />}
        {isPending && <Skeleton />}
        {data && tab === 'grouping' && <Grouping rules={groups} />}
        {data && tab === 'silence' && <Silence rules={silent} />}
        {tab === 'connect' && <Connect />}
      </div>
    </>
  );
}

function Card({ icon, title, active, onClick, children }: { icon: React.ReactNode; title: string; active: boolean; onClick: () => void; children: React.ReactNode }) {
  return (
    <button type="button" className="card choice-card" aria-pressed={active} onClick={onClick}>
      <h3 className="row">
        {icon} {title}
      </h3>
      <span className="muted">{children}</span>
    </button>
  );
}

function RuleCell({ rule }: { rule: Rule }) {
  return (
    <td>
      <Link to="/rules/$id" params={{ id: rule.id }}>
        {rule.name}
      </Link>
    </td>
  );
}

function Grouping({ rules }: { rules: Rule[] }) {
  if (rules.length === 0) return <p className="muted">No rule groups its alerts: each is an incident of its own.</p>;
  return (
    <section className="card" style={{ overflow: 'auto' }}>
      <table className="table">
        <thead>
          <tr>
            <th style={{ width: 110 }}>Severity</th>
            <th>Rule</th>
            <th>One incident for</th>
            <th style={{ width: 130 }}>Within</th>
            <th style={{ width: 150 }}>When closed already</th>
          </tr>
        </thead>
        <tbody>
          {rules.map((rule) => {
            const group = rule.incidentConfiguration?.groupingConfiguration ?? {};
            const by = [...(group.groupByEntities ?? []), ...(group.groupByAlertDetails ?? []), ...(group.groupByCustomDetails ?? [])];
            return (
              <tr key={rule.id}>
                <td>
                  <SeverityMark severity={rule.severity} />
                </td>
                <RuleCell rule={rule} />
                <td className="muted">{group.matchingMethod === 'AnyAlert' ? 'all its alerts' : by.length > 0 && group.matchingMethod === 'Selected' ? `the same ${by.join(' and ')}` : 'the same entities'}</td>
                <td className="muted">{group.lookbackDuration ? isoDuration(group.lookbackDuration) : 'any time'}</td>
                <td className="muted">{group.reopenClosedIncident ? 'opened again' : 'a new one'}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

function Silence({ rules }: { rules: Rule[] }) {
  if (rules.length === 0) return <p className="muted">Every rule speaks each time its query finds something. A rule is silent for a while after an alert when it says suppressionEnabled and suppressionDuration.</p>;
  return (
    <section className="card" style={{ overflow: 'auto' }}>
      <table className="table">
        <thead>
          <tr>
            <th style={{ width: 110 }}>Severity</th>
            <th>Rule</th>
            <th style={{ width: 180 }}>Silent for</th>
          </tr>
        </thead>
        <tbody>
          {rules.map((rule) => (
            <tr key={rule.id}>
              <td>
                <SeverityMark severity={rule.severity} />
              </td>
              <RuleCell rule={rule} />
              <td>{isoDuration(rule.suppressionDuration ?? '')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Connect() {
  const admin = useMay('Administrator');
  const token = '-H "Authorization: Bearer $TAFFRAIL_TOKEN"';
  const ways: [string, string, string][] = [
    ['A live stream of changes', 'Server-sent events, one for each incident that is opened or changed: {"number":12,"change":"created"}.', `curl -N ${token} ${location.origin}/api/v1/events`],
    ['An incident with its alerts', 'Facts, alerts with their evidence, tasks, comments and activity as JSON.', `curl ${token} ${location.origin}/api/v1/incidents/12`],
    ['Close it from a script', 'Status, owner, severity and classification, as people set them here; noted under the token’s name.', `curl -X PATCH ${token} ${location.origin}/api/v1/incidents/12 --json '{"status":"Closed","classification":"BenignPositive"}'`],
    ['New alerts every minute', 'The protocol of Log Analytics: connectors and clients that poll a workspace work as they are.', `curl ${token} ${location.origin}/v1/workspaces/taffrail/query --json '{"query":"SecurityAlert | where TimeGenerated > ago(1m)"}'`],
  ];
  return (
    <section className="card">
      <header>
        <h2 className="grow">Ways to be told</h2>
        {admin ? (
          <Link to="/settings/tokens" className="button small">
            Make a token
          </Link>
        ) : (
          <span className="muted">An administrator makes the token.</span>
        )}
      </header>
      <div className="body column" style={{ gap: 16 }}>
        {ways.map(([title, about, command]) => (
          <div key={title} className="column" style={{ gap: 4 }}>
            <h3 className="row">
              <Terminal className="icon small" /> {title}
            </h3>
            <span className="muted">{about}</span>
            <div className="row">
              <code className="kql block grow" style={{ overflow: 'auto', whiteSpace: 'pre' }} tabIndex={0}>
                {command}
              </code>
              <CopyButton text={command} />
            </div>
          </div>
        ))}
        <p className="muted">
          Everything there is: the <a href="/api/v1/openapi.json">OpenAPI document</a>.
        </p>
      </div>
    </section>
  );
}
