import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { BookOpenText, Search } from 'lucide-react';
import { useMemo } from 'react';
import { rulesQuery } from '../../api/queries';
import { SeverityMark, Techniques } from '../../components/marks';
import { Empty, ErrorNotice, Skeleton } from '../../components/ui';
import { tacticName } from '../../lib/attack';
import { SEVERITIES } from '../../lib/filters';
import { plainText } from '../../lib/markdown';
import { useTitle } from '../../lib/hooks';
import { isoDuration } from '../../lib/isoDuration';

export function Rules() {
  useTitle('Rules');
  const filter = useSearch({ from: '/app/rules' });
  const navigate = useNavigate({ from: '/rules' });
  const { data, error, isPending, refetch } = useQuery(rulesQuery);
  const set = (change: Partial<typeof filter>): void => void navigate({ search: { ...filter, ...change }, replace: true });

  const kinds = useMemo(() => [...new Set((data ?? []).map((r) => r.kind))].sort(), [data]);
  const tactics = useMemo(() => [...new Set((data ?? []).flatMap((r) => r.tactics))].sort(), [data]);
  const shown = useMemo(() => {
    const words = (filter.search ?? '').toLowerCase().split(/\s+/).filter((w) => w !== '');
    return (data ?? [])
      .filter((rule) => {
        const text = `${rule.name} ${rule.description} ${rule.techniques.join(' ')} ${rule.tactics.join(' ')}`.toLowerCase();
        return (
          words.every((w) => text.includes(w)) &&
          (filter.severity === undefined || rule.severity === filter.severity) &&
          (filter.kind === undefined || rule.kind === filter.kind) &&
          (filter.tactic === undefined || rule.tactics.includes(filter.tactic))
        );
      })
      .sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || a.name.localeCompare(b.name));
  }, [data, filter]);

  return (
    <>
      <div className="page-head">
        <h1>Rules</h1>
        {data && <span className="faint number">{shown.length === data.length ? data.length : `${shown.length} of ${data.length}`}</span>}
      </div>
      <div className="toolbar" style={{ padding: '0 20px 10px', minHeight: 0 }}>
        <div className="search">
          <Search className="icon" />
          <input className="input" type="search" aria-label="Search rules" placeholder="Name, description, technique" value={filter.search ?? ''} onChange={(event) => set({ search: event.target.value || undefined })} />
        </div>
        <Choice label="Severity" value={filter.severity} options={SEVERITIES} onChange={(severity) => set({ severity })} />
        <Choice label="Kind" value={filter.kind} options={kinds} onChange={(kind) => set({ kind })} />
        <Choice label="Tactic" value={filter.tactic} options={tactics} name={tacticName} onChange={(tactic) => set({ tactic })} />
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
                  <th style={{ width: 240 }}>ATT&amp;CK</th>
                  <th style={{ width: 110 }}>Kind</th>
                  <th style={{ width: 140 }}>Runs</th>
                  <th style={{ width: 80 }}>State</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((rule) => (
                  <tr key={rule.id}>
                    <td>
                      <SeverityMark severity={rule.severity} />
                    </td>
                    <td style={{ minWidth: 260, maxWidth: 520 }}>
                      <Link to="/rules/$id" params={{ id: rule.id }}>
                        <b>{rule.name}</b>
                      </Link>
                      <div className="muted ellipsis">{plainText(rule.description)}</div>
                    </td>
                    <td>
                      <Techniques tactics={rule.tactics} techniques={rule.techniques} />
                    </td>
                    <td>{rule.kind}</td>
                    <td className="muted nowrap">{rule.kind === 'NRT' ? 'as events arrive' : rule.queryFrequency ? `every ${isoDuration(rule.queryFrequency)}` : '–'}</td>
                    <td>{rule.enabled ? 'On' : <span className="faint">Off</span>}</td>
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

function Choice({ label, value, options, name = (v) => v, onChange }: { label: string; value: string | undefined; options: string[]; name?: (value: string) => string; onChange: (value: string | undefined) => void }) {
  return (
    <select className="select" style={{ width: 'auto' }} aria-label={label} value={value ?? ''} onChange={(event) => onChange(event.target.value || undefined)}>
      <option value="">{label}: all</option>
      {options.map((option) => (
        <option key={option} value={option}>
          {name(option)}
        </option>
      ))}
    </select>
  );
}
