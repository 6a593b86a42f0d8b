// Who did what: the trail of people's actions.
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { Search, SquareArrowOutUpRight } from 'lucide-react';
import type { TrailEntry } from '../../api/types';
import { TRAIL_PAGE, trailQuery } from '../../api/work';
import { ErrorNotice, Skeleton, Time } from '../../components/ui';
import { RangePicker } from '../../components/RangePicker';
import { rangeEnds, useScope } from '../../lib/scope';
import { useMemo } from 'react';

const WORDS: Record<string, string> = { incident: 'Incidents', user: 'Users', token: 'Tokens', session: 'Sign-in', setting: 'Settings', workbooks: 'Workbooks', hunting: 'Hunting queries', queries: 'Saved queries', views: 'Views', watchlists: 'Watchlists', bookmarks: 'Bookmarks', indicators: 'Indicators', query: 'Exports', lake: 'Storage', rule: 'Rules', rules: 'Rules' };

export function Trail() {
  const search = useSearch({ from: '/app/settings/trail' });
  const navigate = useNavigate({ from: '/settings/trail' });
  const scope = useScope({ kind: 'all' });
  const ends = useMemo(() => rangeEnds(scope.range), [scope.range]);
  const page = search.page ?? 1;
  const asked = { who: search.who, kind: search.kind, search: search.search, ...(ends === undefined ? {} : { since: new Date(ends[0]).toISOString(), until: new Date(ends[1] + 60_000).toISOString() }), offset: (page - 1) * TRAIL_PAGE };
  const { data, error, isPending, refetch } = useQuery({ ...trailQuery(asked), placeholderData: (before) => before });
  const set = (change: Partial<typeof search>): void => void navigate({ search: { ...search, page: undefined, ...change }, replace: true });
  if (error && data === undefined) return <ErrorNotice error={error} retry={() => void refetch()} />;
  if (isPending) return <Skeleton />;
  const pages = Math.max(1, Math.ceil(data.total / TRAIL_PAGE));
  return (
    <section className="card" style={{ overflow: 'auto' }} aria-label="What people did">
      <div className="toolbar" style={{ flexWrap: 'wrap' }}>
        <div className="search">
          <Search className="icon" />
          <input className="input" type="search" aria-label="Find an action" placeholder="Person, action, thing" defaultValue={search.search ?? ''} onChange={(event) => set({ search: event.target.value || undefined })} />
        </div>
        <select className="select" style={{ width: 'auto' }} aria-label="Who" value={search.who ?? ''} onChange={(event) => set({ who: event.target.value || undefined })}>
          <option value="">Who: all</option>
          {data.people.map((who) => (
            <option key={who}>{who}</option>
          ))}
        </select>
        <select className="select" style={{ width: 'auto' }} aria-label="About" value={search.kind ?? ''} onChange={(event) => set({ kind: event.target.value || undefined })}>
          <option value="">About: all</option>
          {data.kinds.map((kind) => (
            <option key={kind} value={kind}>
              {WORDS[kind] ?? kind}
            </option>
          ))}
        </select>
        <RangePicker range={scope.range} onChange={scope.setRange} />
        <span className="grow" />
        <Link className="button" to="/logs" search={{ q: 'TaffrailAudit\n| sort by TimeGenerated desc\n| take 500', t: 'all' }}>
          <SquareArrowOutUpRight className="icon small" /> Open in Logs
        </Link>
      </div>
      <table className="table">
        <thead>
          <tr>
            <th style={{ width: 130 }}>When</th>
            <th style={{ width: 150 }}>Who</th>
            <th style={{ width: 160 }}>Did</th>
            <th>To</th>
            <th>Change</th>
          </tr>
        </thead>
        <tbody>
          {data.items.map((entry) => (
            <tr key={entry.id}>
              <td>
                <Time at={entry.at} className="muted" />
              </td>
              <td>{entry.who}</td>
              <td style={/refused|removed|revoked/.test(entry.action) ? { color: 'var(--warn)' } : undefined}>{entry.action}</td>
              <td>
                <Subject entry={entry} />
              </td>
              <td className="muted" style={{ overflowWrap: 'anywhere' }}>
                {entry.field && `${entry.field}: `}
                {entry.from && `${cut(entry.from)} → `}
                {entry.to && cut(entry.to)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {data.items.length === 0 && <p className="muted" style={{ padding: 14 }}>Nobody did such a thing in this range.</p>}
      {pages > 1 && (
        <div className="pager">
          <button type="button" className="button small" disabled={page <= 1} onClick={() => set({ page: page - 1 })}>
            Newer
          </button>
          <span className="number">
            {((page - 1) * TRAIL_PAGE + 1).toLocaleString('en-US')}–{Math.min(page * TRAIL_PAGE, data.total).toLocaleString('en-US')} of {data.total.toLocaleString('en-US')}
          </span>
          <button type="button" className="button small" disabled={page >= pages} onClick={() => set({ page: page + 1 })}>
            Older
          </button>
        </div>
      )}
    </section>
  );
}

const cut = (text: string): string => (text.length > 120 ? `${text.slice(0, 119)}…` : text);

/** What it was done to, as a way there. */
function Subject({ entry }: { entry: TrailEntry }) {
  const at = entry.subject.indexOf('/');
  const kind = entry.subject.slice(0, at);
  const name = entry.subject.slice(at + 1);
  switch (kind) {
    case 'incident':
      return (
        <Link to="/incidents/$number" params={{ number: name }}>
          Incident {name}
        </Link>
      );
    case 'workbooks':
      return (
        <Link to="/workbooks/$id" params={{ id: name }}>
          Workbook {name}
        </Link>
      );
    case 'watchlists':
      return (
        <Link to="/intelligence" search={{ id: name }}>
          Watchlist {name}
        </Link>
      );
    case 'hunting':
      return (
        <Link to="/hunting" search={{ id: name }}>
          Hunting query {name}
        </Link>
      );
    case 'bookmarks':
      return (
        <Link to="/hunting" search={{ tab: 'bookmarks', id: name }}>
          Bookmark {name}
        </Link>
      );
    default:
      return (
        <span>
          {(WORDS[kind] ?? kind).replace(/s$/, '')} {kind === 'query' || kind === 'lake' || kind === 'indicators' ? '' : name}
        </span>
      );
  }
}
