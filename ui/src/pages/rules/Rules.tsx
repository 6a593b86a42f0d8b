import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { BookOpenText, Plus, Search } from 'lucide-react';
import { useMemo } from 'react';
import { text, useKql } from '../../api/kql';
import type { Json } from '../../api/types';
import { course } from '../../lib/course';
import { rulesQuery } from '../../api/queries';
import { SeverityMark, Techniques } from '../../components/marks';
import { Spark } from '../../components/Panel';
import { PageHead } from '../../components/ScopeBar';
import { Empty, ErrorNotice, Skeleton } from '../../components/ui';
import { tacticName } from '../../lib/attack';
import { SEVERITIES } from '../../lib/filters';
import { plainText } from '../../lib/markdown';
import { useTitle } from '../../lib/hooks';
import { isoDuration } from '../../lib/isoDuration';
import { binSeconds, rangeEnds, useScope } from '../../lib/scope';

export function Rules() {
  useTitle('Rules');
  const filter = useSearch({ from: '/app/rules' });
  const navigate = useNavigate({ from: '/rules' });
  const { data, error, isPending, refetch } = useQuery(rulesQuery);
  const set = (change: Partial<typeof filter>): void => void navigate({ search: { ...filter, ...change }, replace: true });

  // What each raised in the page's range, and how that lies in time.
  const { bin, range } = useScope();
  const alerts = useKql(`SecurityAlert\n| summarize arg_min(TimeGenerated, AlertType) by SystemAlertId\n| summarize Alerts = count() by AlertType, bin(TimeGenerated, ${bin})\n| sort by TimeGenerated asc`);
  const raised = useMemo(() => {
    const found = new Map<string, Json[][]>();
    for (const row of alerts.data?.rows ?? []) found.set(text(row[0]), [...(found.get(text(row[0])) ?? []), row]);
    return new Map([...found].map(([rule, rows]) => [rule, course(rows, 1, 2, binSeconds(bin), rangeEnds(range))]));
  }, [alerts.data, bin, range]);
  const count = (id: string): number => (raised.get(id) ?? []).reduce((a, b) => a + b, 0);

  const kinds = useMemo(() => [...new Set((data ?? []).map((r) => r.kind))].sort(), [data]);
  const tactics = useMemo(() => [...new Set((data ?? []).flatMap((r) => r.tactics))].sort(), [data]);
  const shown = useMemo(() => {
    const words = (filter.search ?? '').toLowerCase().split(/\s+/).filter((w) => w !== '');
    return (data ?? [])
      .filter((rule) => {
        const all = `${rule.name} ${rule.description} ${rule.techniques.join(' ')} ${rule.tactics.join(' ')}`.toLowerCase();
        return (
          words.every((w) => all.includes(w)) &&
          (filter.severity === undefined || rule.severity === filter.severity) &&
          (filter.kind === undefined || rule.kind === filter.kind) &&
          (filter.tactic === undefined || rule.tactics.includes(filter.tactic)) &&
          (filter.found === undefined || (raised.get(rule.id)?.length ?? 0) > 0)
        );
      })
      .sort((a, b) => (filter.sort === 'alerts' ? sum(raised.get(b.id)) - sum(raised.get(a.id)) : filter.sort === 'name' ? a.name.localeCompare(b.name) : 0) || SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || a.name.localeCompare(b.name));
  }, [data, filter, raised]);

  return (
    <>
      <PageHead title="Rules" count={data === undefined ? undefined : shown.length === data.length ? data.length : `${shown.length} of ${data.length}`}>
        <Link to="/rules/new" search={{}} className="button primary">
          <Plus className="icon small" /> New rule
        </Link>
      </PageHead>
      <div className="toolbar" style={{ padding: '0 20px 10px', minHeight: 0 }}>
        <div className="search">
          <Search className="icon" />
          <input className="input" type="search" aria-label="Search rules" placeholder="Name, description, technique" value={filter.search ?? ''} onChange={(event) => set({ search: event.target.value || undefined })} />
        </div>
        <Choice label="Severity" value={filter.severity} options={SEVERITIES} onChange={(severity) => set({ severity })} />
        <Choice label="Kind" value={filter.kind} options={kinds} onChange={(kind) => set({ kind })} />
        <Choice label="Tactic" value={filter.tactic} options={tactics} name={tacticName} onChange={(tactic) => set({ tactic })} />
        <label className="row nowrap" style={{ gap: 6 }}>
          <input type="checkbox" checked={filter.found === 'yes'} onChange={(event) => set({ found: event.target.checked ? 'yes' : undefined })} /> Only those that raised alerts
        </label>
        <span className="grow" />
        <Choice label="Sorted by" value={filter.sort} options={['alerts', 'name']} name={(v) => `Sorted by: ${v}`} none="severity" onChange={(sort) => set({ sort: sort as 'alerts' | 'name' | undefined })} />
      </div>
      <div className="page-scroll">
        {error && <ErrorNotice error={error} retry={() => void refetch()} />}
        {isPending && <Skeleton />}
        {data && shown.length === 0 && (
          <Empty icon={<BookOpenText />} title={data.length === 0 ? 'No rules are loaded' : 'No rule fits'}>
            {data.length === 0 ? (
              <p>
                Rules are YAML files in Sentinel's format. The built-in ones come with Taffrail; your own are read from the directories in the configuration, and checked with <code>taffrail rules lint</code>.
              </p>
            ) : (
              <button type="button" className="button" onClick={() => void navigate({ search: {} })}>
                Show all rules
              </button>
            )}
          </Empty>
        )}
        {shown.length > 0 && (
          <div className="card" style={{ overflow: 'auto' }}>
            <table className="table">
              <thead>
                <tr>
                  <th style={{ width: 116 }}>Severity</th>
                  <th>Rule</th>
                  <th style={{ width: 220 }}>ATT&amp;CK</th>
                  <th style={{ width: 130 }}>Runs</th>
                  <th style={{ width: 60 }}>State</th>
                  <th style={{ width: 140 }}>Alerts</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((rule) => (
                  <tr key={rule.id}>
                    <td>
                      <SeverityMark severity={rule.severity} />
                    </td>
                    <td style={{ minWidth: 260, maxWidth: 440 }}>
                      <Link to="/rules/$id" params={{ id: rule.id }}>
                        <b>{rule.name}</b>
                      </Link>
                      <div className="muted ellipsis">{plainText(rule.description)}</div>
                    </td>
                    <td>
                      <Techniques tactics={rule.tactics} techniques={rule.techniques} />
                    </td>
                    <td className="muted nowrap">
                      <div style={{ color: 'var(--text)' }}>{rule.kind}</div>
                      {rule.kind === 'NRT' ? 'as events arrive' : rule.queryFrequency ? `every ${isoDuration(rule.queryFrequency)}` : '–'}
                    </td>
                    <td>{rule.enabled ? 'On' : <span className="faint">Off</span>}</td>
                    <td>
                      <div className="row number" style={{ gap: 8 }}>
                        <span style={{ width: 30, textAlign: 'right' }}>{count(rule.id) === 0 ? <span className="faint">0</span> : <b>{count(rule.id)}</b>}</span>
                        <div className="grow">
                          <Spark values={raised.get(rule.id) ?? []} label={`Alerts of ${rule.name} over the range`} />
                        </div>
                      </div>
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

const sum = (values: number[] | undefined): number => (values ?? []).reduce((a, b) => a + b, 0);

function Choice({ label, value, options, name = (v) => v, none = 'all', onChange }: { label: string; value: string | undefined; options: string[]; name?: (value: string) => string; none?: string; onChange: (value: string | undefined) => void }) {
  return (
    <select className="select" style={{ width: 'auto' }} aria-label={label} value={value ?? ''} onChange={(event) => onChange(event.target.value || undefined)}>
      <option value="">
        {label}: {none}
      </option>
      {options.map((option) => (
        <option key={option} value={option}>
          {name(option)}
        </option>
      ))}
    </select>
  );
}
