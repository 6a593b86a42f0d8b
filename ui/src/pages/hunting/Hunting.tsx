// Questions to the logs that no rule asks all the time: all at once, with what they find.
import { useQueries, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { BookOpenText, Crosshair, Play, Radio, Search, SquareArrowOutUpRight, Trash2, X } from 'lucide-react';
import { useMemo, useRef, useState } from 'react';
import { clusterTables, kqlQuery, number, useKql } from '../../api/kql';
import { libraryQuery, useDiscard } from '../../api/library';
import { schemaQuery } from '../../api/queries';
import type { LibraryItem } from '../../api/types';
import { BookmarkDialog, type ToKeep } from '../../components/BookmarkDialog';
import { Techniques } from '../../components/marks';
import { Asked, Spark } from '../../components/Panel';
import { RowsTable } from '../../components/RowsTable';
import { PageHead } from '../../components/ScopeBar';
import { notify, notifyError } from '../../components/toast';
import { Empty, ErrorNotice, Skeleton, Tip } from '../../components/ui';
import { tacticName } from '../../lib/attack';
import { useKeys, useTitle } from '../../lib/hooks';
import { courseOf, countOf, readHunt, type Hunt } from '../../lib/hunting';
import { Markdown, plainText } from '../../lib/markdown';
import { course } from '../../lib/course';
import { binFor, binSeconds, inCluster, rangeEnds, useScope } from '../../lib/scope';
import { useMay } from '../../lib/session';
import { Bookmarks } from './Bookmarks';
import { Livestream } from './Livestream';

interface Found {
  count: number | null;
  before: number | null;
  course: number[];
  error: string | null;
  asking: boolean;
}

const DAY = 86_400_000;
/** At most so many at once: the server has other work. */
const AT_ONCE = 3;

const TABS = [
  [undefined, 'Queries'],
  ['bookmarks', 'Bookmarks'],
  ['live', 'Livestream'],
] as const;

export function Hunting() {
  useTitle('Hunting');
  const { tab } = useSearch({ from: '/app/hunting' });
  const { data: bookmarks } = useQuery(libraryQuery('bookmarks'));
  const tabs = (
    <nav className="tabs" aria-label="Parts of hunting" style={{ padding: '0 20px' }}>
      {TABS.map(([id, label]) => (
        <Link key={label} to="/hunting" search={{ tab: id }} className="tab" activeOptions={{ exact: true, includeSearch: true }} aria-current={tab === id ? 'page' : undefined}>
          {label}
          {id === 'bookmarks' && (bookmarks?.length ?? 0) > 0 && <span className="count">{bookmarks?.length}</span>}
        </Link>
      ))}
    </nav>
  );
  if (tab === undefined) return <Queries tabs={tabs} />;
  return (
    <>
      <PageHead title="Hunting" />
      {tabs}
      <div className="column" style={{ flex: 1, minHeight: 0, paddingTop: 12, gap: 0 }}>
        {tab === 'bookmarks' ? <Bookmarks /> : <Livestream />}
      </div>
    </>
  );
}

/** The same time a day, or a whole number of days, before. */
function dayBefore(ends: [number, number]): [number, number] {
  const days = Math.max(1, Math.ceil((ends[1] - ends[0]) / DAY));
  return [ends[0] - days * DAY, ends[1] - days * DAY];
}

function Queries({ tabs }: { tabs: React.ReactNode }) {
  const search = useSearch({ from: '/app/hunting' });
  const navigate = useNavigate({ from: '/hunting' });
  const scope = useScope();
  const { data, error, isPending, refetch } = useQuery(libraryQuery('hunting'));
  const { data: schema } = useQuery({ ...schemaQuery, enabled: scope.cluster !== undefined });
  // Those whose turn it is: all that were asked, a few at a time.
  const [wanted, setWanted] = useState<readonly string[]>([]);
  const field = useRef<HTMLInputElement>(null);
  const set = (change: Partial<typeof search>): void => void navigate({ search: { ...search, ...change }, replace: true });

  const hunts = useMemo(() => (data ?? []).map((item) => readHunt(item.id, item.name, item.description, item.body)), [data]);
  const tactics = [...new Set(hunts.flatMap((hunt) => hunt.tactics))].sort();
  const clustered = (query: string): string => inCluster(query, scope.cluster, clusterTables(schema));
  // The same time yesterday, for the change.
  const earlier = useMemo(() => {
    const ends = rangeEnds(scope.range);
    if (ends === undefined) return null;
    const [start, end] = dayBefore(ends);
    return `${new Date(start).toISOString()}/${new Date(end).toISOString()}`;
  }, [scope.range]);
  const ready = scope.cluster === undefined || schema !== undefined;

  const bin = binFor(scope.range, 24);
  const state = useQueries({
    queries: hunts.map((hunt) => ({ ...kqlQuery(clustered(countOf(hunt.query)), scope.timespan), enabled: false, retry: false })),
  });
  const asking = useRef(new Set<string>());
  const results: Found[] = state.map((one) => ({ count: one.data === undefined ? null : number(one.data.rows[0]?.[0]), before: null, course: [], error: one.error?.message ?? null, asking: one.isFetching }));

  const run = (ids: string[]): void => {
    setWanted((before) => [...new Set([...before, ...ids])]);
    const queue = ids.filter((id) => !asking.current.has(id));
    const next = async (): Promise<void> => {
      for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
        asking.current.add(id);
        const at = hunts.findIndex((hunt) => hunt.id === id);
        await state[at]?.refetch().catch(() => undefined);
        asking.current.delete(id);
      }
    };
    for (let i = 0; i < AT_ONCE; i += 1) void next();
  };

  const words = (search.search ?? '').toLowerCase().split(/\s+/).filter((w) => w !== '');
  const shown = hunts
    .map((hunt, i) => ({ hunt, found: results[i] as Found, item: (data ?? [])[i] as LibraryItem }))
    .filter(({ hunt, found }) => {
      const all = `${hunt.name} ${hunt.description} ${hunt.techniques.join(' ')}`.toLowerCase();
      return words.every((w) => all.includes(w)) && (search.tactic === undefined || hunt.tactics.includes(search.tactic)) && (search.found === undefined || (found.count ?? 0) > 0);
    });
  const asked = results.filter((found) => found.count !== null || found.error !== null).length;
  const hits = results.filter((found) => (found.count ?? 0) > 0).length;
  const chosen = shown.find(({ hunt }) => hunt.id === search.id) ?? (search.id === undefined ? undefined : hunts.map((hunt, i) => ({ hunt, found: results[i] as Found, item: (data ?? [])[i] as LibraryItem })).find(({ hunt }) => hunt.id === search.id));
  const move = (by: number): void => {
    const at = shown.findIndex(({ hunt }) => hunt.id === search.id);
    const next = shown[at < 0 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1)];
    if (next) set({ id: next.hunt.id });
  };
  useKeys({ '/': () => field.current?.focus(), j: () => move(1), k: () => move(-1), Escape: () => set({ id: undefined }), r: () => ready && run(shown.map(({ hunt }) => hunt.id)) });

  return (
    <>
      <PageHead title="Hunting" count={data === undefined ? undefined : asked === 0 ? hunts.length : `${hits} of ${asked} asked found something`}>
        <button type="button" className="button primary" disabled={hunts.length === 0 || !ready} onClick={() => run(shown.map(({ hunt }) => hunt.id))}>
          <Play className="icon small" /> Run {words.length > 0 || search.tactic !== undefined ? 'these' : 'all'}
        </button>
      </PageHead>
      {tabs}
      <div className="toolbar" style={{ padding: '12px 20px 10px', minHeight: 0 }}>
        <div className="search">
          <Search className="icon" />
          <input ref={field} className="input" type="search" aria-label="Find a hunting query" placeholder="Name, description, technique" value={search.search ?? ''} onChange={(event) => set({ search: event.target.value || undefined })} />
        </div>
        <select className="select" style={{ width: 'auto' }} aria-label="Tactic" value={search.tactic ?? ''} onChange={(event) => set({ tactic: event.target.value || undefined })}>
          <option value="">Tactic: all</option>
          {tactics.map((tactic) => (
            <option key={tactic} value={tactic}>
              {tacticName(tactic)}
            </option>
          ))}
        </select>
        <label className="row nowrap" style={{ gap: 6 }}>
          <input type="checkbox" checked={search.found === 'yes'} onChange={(event) => set({ found: event.target.checked ? 'yes' : undefined })} /> Only what found something
        </label>
      </div>
      <div className="with-side" data-side={chosen !== undefined}>
        <div className="main">
          <div className="page-scroll">
            {error && data === undefined && <ErrorNotice error={error} retry={() => void refetch()} />}
            {isPending && <Skeleton />}
            {data !== undefined && shown.length === 0 && (
              <Empty icon={<Crosshair />} title={hunts.length === 0 ? 'There are no hunting queries yet' : 'No query fits'}>
                {hunts.length === 0 ? (
                  <>
                    <p>A hunting query is a question worth asking again. Write one in Logs and keep it with Save, Hunting query; or put YAML files in Sentinel's format into the folder hunting of the content directory.</p>
                    <Link to="/logs" search={{}} className="button">
                      Open Logs
                    </Link>
                  </>
                ) : (
                  <button type="button" className="button" onClick={() => void navigate({ search: {} })}>
                    Show all
                  </button>
                )}
              </Empty>
            )}
            {shown.length > 0 && (
              <div className="card" style={{ overflow: 'auto' }} tabIndex={0} role="region" aria-label="Hunting queries">
                <table className="table">
                  <thead>
                    <tr>
                      <th>Query</th>
                      <th style={{ width: 84, textAlign: 'right' }}>Results</th>
                      <th style={{ width: 150 }}>Course</th>
                      <th style={{ width: 180 }}>ATT&amp;CK</th>
                      <th style={{ width: 44 }} aria-label="Run" />
                    </tr>
                  </thead>
                  <tbody>
                    {shown.map(({ hunt, found }) => (
                      <tr key={hunt.id} aria-selected={hunt.id === chosen?.hunt.id} onClick={() => set({ id: hunt.id === search.id ? undefined : hunt.id })} style={{ cursor: 'pointer' }}>
                        <td style={{ minWidth: 240 }}>
                          <button
                            type="button"
                            className="link"
                            aria-pressed={hunt.id === chosen?.hunt.id}
                            onClick={(event) => {
                              event.stopPropagation();
                              set({ id: hunt.id === search.id ? undefined : hunt.id });
                            }}
                          >
                            <b>{hunt.name}</b>
                          </button>
                          <div className="muted ellipsis" style={{ maxWidth: chosen === undefined ? 560 : 330 }}>
                            {plainText(hunt.description)}
                          </div>
                        </td>
                        <td style={{ textAlign: 'right' }} className="number" data-testid="results">
                          {found.asking ? <span className="spinner" style={{ display: 'inline-block' }} role="status" aria-label="Asking" /> : found.error !== null ? <Tip text={found.error}><span tabIndex={0} style={{ color: 'var(--danger)' }}>failed</span></Tip> : found.count === null ? <span className="faint">not asked</span> : found.count === 0 ? <span className="faint">0</span> : <b>{found.count.toLocaleString('en-US')}</b>}
                        </td>
                        <td>{wanted.includes(hunt.id) && (found.count ?? 0) > 0 ? <Course hunt={hunt} bin={bin} count={found.count ?? 0} earlier={earlier} /> : null}</td>
                        <td>
                          <Techniques tactics={hunt.tactics} techniques={hunt.techniques} max={2} />
                        </td>
                        <td>
                          <Tip text="Run it">
                            <button
                              type="button"
                              className="button quiet small square"
                              aria-label={`Run ${hunt.name}`}
                              onClick={(event) => {
                                event.stopPropagation();
                                run([hunt.id]);
                              }}
                            >
                              <Play className="icon small" />
                            </button>
                          </Tip>
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )}
          </div>
        </div>
        {chosen && <Side hunt={chosen.hunt} item={chosen.item} onClose={() => set({ id: undefined })} />}
      </div>
    </>
  );
}

/** How the results lie in time, and how many there were at the same time yesterday. */
function Course({ hunt, bin, count, earlier }: { hunt: Hunt; bin: string; count: number; earlier: string | null }) {
  const { range } = useScope();
  const asked = useKql(courseOf(hunt.query, bin));
  const before = useKql(earlier === null ? null : countOf(hunt.query), { timespan: earlier });
  const values = course(asked.data?.rows ?? [], 0, 1, binSeconds(bin), rangeEnds(range));
  const change = before.data === undefined ? null : count - number(before.data.rows[0]?.[0]);
  return (
    <div className="row" style={{ gap: 8 }}>
      <div style={{ width: 84 }}>{asked.error === null && <Spark values={values} label="Results over the range" />}</div>
      {change !== null && (
        <Tip text="Change since the same time yesterday (for longer ranges: since the days before them)">
          <span className="faint number" tabIndex={0}>
            {change > 0 ? `+${change}` : change === 0 ? '±0' : `−${-change}`}
          </span>
        </Tip>
      )}
    </div>
  );
}

function Side({ hunt, item, onClose }: { hunt: Hunt; item: LibraryItem; onClose: () => void }) {
  const answer = useKql(`${hunt.query}\n| take 200`);
  const mayShare = useMay('Contributor');
  const discard = useDiscard('hunting');
  const [toKeep, setToKeep] = useState<ToKeep | null>(null);
  return (
    <aside className="pane" aria-label={hunt.name}>
      <header>
        <div className="row spread">
          <span className="muted">{item.origin === 'shipped' ? 'shipped' : item.shared ? `kept by ${item.updatedBy ?? ''}` : 'yours'}</span>
          <button type="button" className="button quiet small square" aria-label="Close" onClick={onClose}>
            <X className="icon" />
          </button>
        </div>
        <h2>{hunt.name}</h2>
        <div className="row wrap">
          <Link to="/logs" search={{ q: hunt.query }} className="button small">
            <SquareArrowOutUpRight className="icon small" /> Open in Logs
          </Link>
          <Link to="/hunting" search={{ tab: 'live', q: hunt.query }} className="button small">
            <Radio className="icon small" /> Livestream
          </Link>
          <Link to="/rules/new" search={{ q: hunt.query, name: hunt.name }} className="button small">
            <BookOpenText className="icon small" /> Make a rule
          </Link>
          {item.origin === 'kept' && (!item.shared || mayShare) && (
            <button type="button" className="button small danger" onClick={() => discard.mutate(hunt.id, { onSuccess: () => { notify('The query is gone'); onClose(); }, onError: notifyError })}>
              <Trash2 className="icon small" /> Remove
            </button>
          )}
        </div>
      </header>
      <section>
        <Markdown text={hunt.description} />
        <Techniques tactics={hunt.tactics} techniques={hunt.techniques} max={8} />
      </section>
      <section style={{ maxHeight: 420, minHeight: 120 }}>
        <h3>What it finds in this range</h3>
        <Asked data={answer.data} error={answer.error} pending={answer.isPending} retry={() => void answer.refetch()} empty="Nothing.">
          {(found) => <RowsTable answer={found} onBookmark={(row) => setToKeep({ query: hunt.query, columns: found.columns, rows: [row], tactics: hunt.tactics, techniques: hunt.techniques })} />}
        </Asked>
      </section>
      <section>
        <h3>Query</h3>
        <pre className="block kql" tabIndex={0}>{hunt.query}</pre>
      </section>
      <BookmarkDialog what={toKeep} onClose={() => setToKeep(null)} />
    </aside>
  );
}
