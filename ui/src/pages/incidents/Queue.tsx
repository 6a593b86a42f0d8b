// The incidents queue. Everything that is chosen here is in the address.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { createColumnHelper, flexRender, getCoreRowModel, useReactTable } from '@tanstack/react-table';
import { ArrowDown, ArrowUp, BookmarkPlus, Check, ChevronDown, ChevronRight, Filter, Layers, RefreshCw, Search, ShieldCheck, Trash2, X } from 'lucide-react';
import { Fragment, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useIncidentEvents } from '../../api/events';
import { incidentsQuery, patchLists, useChangeIncident } from '../../api/queries';
import { request } from '../../api/client';
import type { Incident, IncidentDetail, IncidentPage } from '../../api/types';
import { EntityChips, Owner, SeverityMark, StatusMark, Techniques } from '../../components/marks';
import { notify, notifyError } from '../../components/toast';
import { CheckBox, Empty, ErrorNotice, Menu, Skeleton, Time, Tip, Chevron } from '../../components/ui';
import { libraryQuery, useDiscard } from '../../api/library';
import { SaveDialog } from '../../components/SaveDialog';
import { ScopeBar } from '../../components/ScopeBar';
import { tacticName } from '../../lib/attack';
import { entityText } from '../../lib/entity';
import { GROUPS, NOBODY, PAGE_SIZE, SEVERITIES, STATUSES, countFilters, parseQueue, queueToApi, toggleFacet, toggleSort, type Facet, type Group, type QueueSearch, type Sort } from '../../lib/filters';
import { rangeEnds, useScope } from '../../lib/scope';
import type { Range } from '../../lib/time';
import { useKeys, useTitle } from '../../lib/hooks';
import { useMay, useSession } from '../../lib/session';
import { ChooseDialog, CloseDialog, asSeverity, asStatus, useBulk } from './actions';
import { Facets } from './Facets';
import { FirstSteps } from './FirstSteps';
import { Pane } from './Pane';

/** Open incidents of last month are work, too: the queue begins with all time. */
const ANY_TIME: Range = { kind: 'all' };

type Ask = 'status' | 'severity' | 'close' | null;

const column = createColumnHelper<Incident>();

const HEADS: { id: string; label: string; sort?: Sort; className: string }[] = [
  { id: 'severity', label: 'Severity', sort: 'severity', className: 'c-severity' },
  { id: 'status', label: 'Status', sort: 'status', className: 'c-status' },
  { id: 'number', label: 'No.', sort: 'number', className: 'c-number' },
  { id: 'title', label: 'Incident', sort: 'title', className: 'title' },
  { id: 'owner', label: 'Owner', sort: 'owner', className: 'c-owner' },
  { id: 'technique', label: 'ATT&CK', className: 'c-technique' },
  { id: 'alerts', label: 'Alerts', sort: 'alertCount', className: 'c-alerts' },
  { id: 'first', label: 'First activity', sort: 'firstActivity', className: 'c-time c-first' },
  { id: 'last', label: 'Last activity', sort: 'lastActivity', className: 'c-time' },
];

export function Queue() {
  useTitle('Incidents');
  const queue = useSearch({ from: '/app/incidents' });
  const navigate = useNavigate({ from: '/incidents' });
  const client = useQueryClient();
  const { user } = useSession();
  const mayChange = useMay('Responder');
  const scope = useScope(ANY_TIME);
  // The ends of the range are those of the moment it was chosen, so that the list does not ask again by itself.
  const ends = useMemo(() => rangeEnds(scope.range), [scope.range]);
  const asked = useMemo<QueueSearch>(
    () => ({ ...queue, cluster: scope.cluster, ...(ends === undefined ? {} : { since: new Date(ends[0]).toISOString(), ...(scope.range.kind === 'between' ? { until: new Date(ends[1]).toISOString() } : {}) }) }),
    [queue, scope.cluster, scope.range, ends],
  );
  const query = incidentsQuery(asked);
  const { data, error, isPending, isFetching, refetch } = useQuery(query);
  const items = useMemo(() => grouped(data?.items ?? [], queue.group), [data, queue.group]);
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const total = data?.total ?? 0;
  const [checked, setChecked] = useState<ReadonlySet<number>>(new Set());
  const [ask, setAsk] = useState<Ask>(null);
  const [commenting, setCommenting] = useState(false);
  const [facetsOpen, setFacetsOpen] = useState(false);
  const bulk = useBulk();
  const change = useChangeIncident();
  const searchField = useRef<HTMLInputElement>(null);
  const scroller = useRef<HTMLDivElement>(null);

  const go = useCallback(
    (next: QueueSearch, replace = false) => void navigate({ search: parseQueue({ ...next }), replace }),
    [navigate],
  );
  const select = (number: number | undefined): void => {
    setCommenting(false);
    go({ ...queue, selected: number }, true);
  };

  // Rows may come in by themselves only when nobody is reading or about to click on one.
  const isIdle = (): boolean => queue.selected === undefined && checked.size === 0 && ask === null && scroller.current?.scrollTop === 0 && !scroller.current.matches(':hover, :focus-within');
  const { fresh, waiting, showWaiting } = useLiveQueue(asked, items.length, isIdle);
  useEffect(() => setChecked(new Set()), [queue.status, queue.severity, queue.owner, queue.tactic, queue.technique, queue.search, queue.page]);

  // What the actions of the keyboard and the bar apply to.
  const targets = checked.size > 0 ? [...checked] : queue.selected === undefined ? [] : [queue.selected];
  const current = items.find((i) => i.number === queue.selected);
  const at = items.findIndex((i) => i.number === queue.selected);

  const move = (step: number): void => {
    const next = items[at < 0 ? (step > 0 ? 0 : items.length - 1) : Math.min(Math.max(at + step, 0), items.length - 1)];
    if (next !== undefined) select(next.number);
  };
  useEffect(() => {
    scroller.current?.querySelector('[data-cursor="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [queue.selected]);

  const whenTargets = (action: () => void) => () => {
    if (!mayChange) notify('Your role may look, but not change incidents.', 'error');
    else if (targets.length > 0) action();
    else notify('Choose an incident first, with j and k.', 'error');
  };
  const assignToMe = (): void => void bulk(targets, { owner: user.name });

  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => {
      if (queue.selected !== undefined) void navigate({ to: '/incidents/$number', params: { number: String(queue.selected) } });
    },
    a: whenTargets(assignToMe),
    s: whenTargets(() => setAsk('status')),
    e: whenTargets(() => setAsk('severity')),
    c: whenTargets(() => {
      if (queue.selected === undefined) select(targets[0]);
      setCommenting(true);
    }),
    x: () => {
      if (queue.selected !== undefined) toggle(queue.selected);
    },
    '/': () => searchField.current?.focus(),
    Escape: () => {
      if (checked.size > 0) setChecked(new Set());
      else select(undefined);
    },
  });

  const toggle = (number: number): void => {
    const next = new Set(checked);
    if (!next.delete(number)) next.add(number);
    setChecked(next);
  };

  const columns = useMemo(
    () => [
      column.accessor('severity', { cell: (c) => <SeverityMark severity={c.getValue()} /> }),
      column.accessor('status', { cell: (c) => <StatusMark status={c.getValue()} /> }),
      column.accessor('number', { cell: (c) => <span className="muted number">{c.getValue()}</span> }),
      column.accessor('title', {
        cell: (c) => (
          <>
            <div className="ellipsis">
              <Link to="/incidents/$number" params={{ number: String(c.row.original.number) }} title={c.getValue()} onClick={(event) => event.stopPropagation()}>
                {c.getValue()}
              </Link>
            </div>
            <EntityChips entities={c.row.original.entities} max={4} oneLine />
          </>
        ),
      }),
      column.accessor('owner', { cell: (c) => <Owner name={c.getValue()} me={user.name} /> }),
      column.display({ id: 'technique', cell: (c) => <Techniques tactics={c.row.original.tactics} techniques={c.row.original.techniques} max={2} /> }),
      column.accessor('alertCount', { id: 'alerts', cell: (c) => <span className="number">{c.getValue()}</span> }),
      column.accessor('firstActivity', { id: 'first', cell: (c) => <Time at={c.getValue()} className="muted" /> }),
      column.accessor('lastActivity', {
        id: 'last',
        cell: (c) => (
          <>
            <Time at={c.getValue()} className="muted" />
            <span className="since">
              first <Time at={c.row.original.firstActivity} />
            </span>
          </>
        ),
      }),
    ],
    [user.name],
  );
  const table = useReactTable({ data: items, columns, getCoreRowModel: getCoreRowModel(), getRowId: (row) => String(row.number) });

  const filters = countFilters(queue);
  const sort = queue.sort ?? 'lastActivity';
  const descending = (queue.order ?? 'desc') === 'desc';
  const page = queue.page ?? 1;
  const pages = Math.max(1, Math.ceil(total / PAGE_SIZE));
  const narrowed = filters > 0 || scope.cluster !== undefined || ends !== undefined;
  const nothingEver = data !== undefined && total === 0 && !narrowed;

  return (
    <>
      <div className="page-head" style={{ paddingBottom: 8 }}>
        <h1>Incidents</h1>
        <Views queue={queue} me={user.name} />
        <span className="grow" />
        <span className="faint number" role="status">
          {data === undefined ? '' : `${total.toLocaleString('en-US')} ${total === 1 ? 'incident' : 'incidents'}`}
        </span>
        <ScopeBar fallback={ANY_TIME} reload={false} />
        <Tip text="Load again">
          <button type="button" className="button quiet square" aria-label="Load again" onClick={() => void refetch()}>
            <RefreshCw className="icon" style={isFetching ? { animation: 'spin 1s linear infinite' } : undefined} />
          </button>
        </Tip>
      </div>
      <div className="queue" data-pane={queue.selected !== undefined}>
        <Facets
          counts={data?.facets ?? {}}
          queue={queue}
          open={facetsOpen}
          onToggle={(facet: Facet, value) => go(toggleFacet(queue, facet, value))}
          onClear={(facet) => go({ ...queue, [facet]: undefined, page: undefined })}
        />
        <section className="queue-main" aria-label="Queue">
          {checked.size > 0 ? (
            <div className="toolbar bulk" role="toolbar" aria-label="Bulk actions">
              <b>{checked.size} selected</b>
              <button type="button" className="button" disabled={!mayChange} onClick={assignToMe}>
                Assign to me
              </button>
              <Menu
                trigger={
                  <button type="button" className="button" disabled={!mayChange}>
                    Status <Chevron />
                  </button>
                }
                items={STATUSES.map((status) => ({ key: status, label: asStatus(status), onSelect: () => (status === 'Closed' ? setAsk('close') : void bulk(targets, { status })) }))}
              />
              <Menu
                trigger={
                  <button type="button" className="button" disabled={!mayChange}>
                    Severity <Chevron />
                  </button>
                }
                items={SEVERITIES.map((severity) => ({ key: severity, label: asSeverity(severity), onSelect: () => void bulk(targets, { severity }) }))}
              />
              <span className="grow" />
              <button type="button" className="button quiet" onClick={() => setChecked(new Set())}>
                Clear selection
              </button>
            </div>
          ) : (
            <div className="toolbar">
              <button type="button" className="button square only-phone" aria-label="Filters" onClick={() => setFacetsOpen(!facetsOpen)}>
                <Filter className="icon" />
              </button>
              <SearchField field={searchField} value={queue.search ?? ''} onChange={(search) => go({ ...queue, search: search === '' ? undefined : search, page: undefined }, true)} />
              <GroupMenu group={queue.group} onChange={(group) => go({ ...queue, group }, true)} />
              {filters > 0 && (
                <button type="button" className="button quiet" onClick={() => go({ sort: queue.sort, order: queue.order, group: queue.group })}>
                  <X className="icon small" /> Clear filters
                </button>
              )}
            </div>
          )}
          {waiting > 0 && (
            <button type="button" className="button primary pill" onClick={showWaiting}>
              <ArrowUp className="icon small" /> {waiting} new
            </button>
          )}
          <div className="queue-scroll" ref={scroller}>
            {error && data === undefined && (
              <div style={{ padding: 16 }}>
                <ErrorNotice error={error} retry={() => void refetch()} />
              </div>
            )}
            {isPending && <Skeleton lines={10} />}
            {data !== undefined && items.length > 0 && (
              <table className="table incidents">
                <thead>
                  <tr>
                    <th className="c-check">
                      <CheckBox
                        checked={checked.size === 0 ? false : checked.size === items.length ? true : 'indeterminate'}
                        onChange={(all) => setChecked(new Set(all ? items.map((i) => i.number) : []))}
                        label="Select all on this page"
                      />
                    </th>
                    {HEADS.map((head) => (
                      <th key={head.id} className={head.className} aria-sort={head.sort === sort ? (descending ? 'descending' : 'ascending') : undefined}>
                        {head.sort === undefined ? (
                          head.label
                        ) : (
                          <button type="button" className="sort" onClick={() => go(toggleSort(queue, head.sort as Sort))}>
                            {head.label}
                            {head.sort === sort && (descending ? <ArrowDown className="icon small" /> : <ArrowUp className="icon small" />)}
                          </button>
                        )}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {table.getRowModel().rows.map((row, at) => {
                    const number = row.original.number;
                    const group = queue.group === undefined ? null : groupOf(row.original, queue.group);
                    const before = items[at - 1];
                    const first = group !== null && (before === undefined || groupOf(before, queue.group as Group) !== group);
                    return (
                      <Fragment key={row.id}>
                      {first && <GroupRow name={group} shown={groupName(group, queue.group as Group)} count={items.filter((i) => groupOf(i, queue.group as Group) === group).length} folded={folded.has(group)} onFold={() => setFolded(flipped(folded, group))} />}
                      {(group === null || !folded.has(group)) && (
                      <tr
                        data-number={number}
                        data-cursor={number === queue.selected}
                        aria-selected={checked.has(number)}
                        className={fresh.has(number) ? 'fresh' : undefined}
                        onClick={() => select(number === queue.selected ? undefined : number)}
                        onDoubleClick={() => void navigate({ to: '/incidents/$number', params: { number: String(number) } })}
                      >
                        <td className="c-check">
                          <CheckBox checked={checked.has(number)} onChange={() => toggle(number)} label={`Select incident ${number}`} />
                        </td>
                        {row.getVisibleCells().map((cell, i) => (
                          <td key={cell.id} className={HEADS[i]?.className}>
                            {flexRender(cell.column.columnDef.cell, cell.getContext())}
                          </td>
                        ))}
                      </tr>
                      )}
                      </Fragment>
                    );
                  })}
                </tbody>
              </table>
            )}
            {nothingEver && <FirstSteps />}
            {data !== undefined && items.length === 0 && !nothingEver && (
              <Empty icon={<ShieldCheck />} title="Nothing here">
                <p>No incident fits these filters{queue.search === undefined ? '' : ` and “${queue.search}”`}.</p>
                <div className="row">
                  <button type="button" className="button" onClick={() => go({})}>
                    Show all incidents
                  </button>
                  <Link className="button" to="/logs" search={{}}>
                    Look into the logs
                  </Link>
                </div>
              </Empty>
            )}
          </div>
          {pages > 1 && (
            <div className="pager">
              <button type="button" className="button small" disabled={page <= 1} onClick={() => go({ ...queue, page: page - 1 })}>
                Previous
              </button>
              <span className="number">
                {((page - 1) * PAGE_SIZE + 1).toLocaleString('en-US')}–{Math.min(page * PAGE_SIZE, total).toLocaleString('en-US')} of {total.toLocaleString('en-US')}
              </span>
              <button type="button" className="button small" disabled={page >= pages} onClick={() => go({ ...queue, page: page + 1 })}>
                Next
              </button>
            </div>
          )}
        </section>
        {queue.selected !== undefined && (
          <Pane key={queue.selected} number={queue.selected} row={current} commenting={commenting} onCommented={() => setCommenting(false)} onClose={() => select(undefined)} />
        )}
      </div>
      <ChooseDialog
        title="Set the status"
        options={STATUSES}
        current={current?.status}
        render={asStatus}
        open={ask === 'status'}
        onOpenChange={(open) => !open && setAsk(null)}
        onChoose={(status) => {
          setAsk(status === 'Closed' ? 'close' : null);
          if (status !== 'Closed') void bulk(targets, { status });
        }}
      />
      <ChooseDialog
        title="Set the severity"
        options={SEVERITIES}
        current={current?.severity}
        render={asSeverity}
        open={ask === 'severity'}
        onOpenChange={(open) => !open && setAsk(null)}
        onChoose={(severity) => {
          setAsk(null);
          void bulk(targets, { severity });
        }}
      />
      <CloseDialog
        numbers={targets}
        open={ask === 'close'}
        onOpenChange={(open) => !open && setAsk(null)}
        onClose={async (verdict) => {
          const [only] = targets;
          if (targets.length === 1 && only !== undefined) await change.mutateAsync({ number: only, change: { status: 'Closed', ...verdict } }).then(() => notify(`Incident ${only} is closed`));
          else await bulk(targets, { status: 'Closed', ...verdict });
          void client.invalidateQueries({ queryKey: ['incidents'] }).catch(notifyError);
        }}
      />
    </>
  );
}

/** What an incident belongs to under a grouping. */
function groupOf(incident: Incident, group: Group): string {
  switch (group) {
    case 'severity':
      return incident.severity;
    case 'status':
      return incident.status;
    case 'owner':
      return incident.owner ?? '';
    case 'cluster':
      return incident.cluster ?? '';
    case 'tactic':
      return incident.tactics[0] ?? '';
    case 'rule':
      return incident.rules[0] ?? '';
    case 'entity': {
      const [first] = incident.entities.filter((e) => e.type !== 'KubernetesCluster');
      return first === undefined ? '' : `${first.type}: ${entityText(first)}`;
    }
  }
}

const groupName = (name: string, group: Group): string => (name === '' ? (group === 'owner' ? 'Unassigned' : 'None') : group === 'tactic' ? tacticName(name) : name);
const GROUP_NAMES: Record<Group, string> = { severity: 'Severity', status: 'Status', owner: 'Owner', cluster: 'Cluster', tactic: 'Tactic', rule: 'Rule', entity: 'Entity' };

/** Puts together what belongs together, in the order in which the groups first occur. */
function grouped(items: Incident[], group: Group | undefined): Incident[] {
  if (group === undefined) return items;
  const groups = new Map<string, Incident[]>();
  for (const item of items) groups.set(groupOf(item, group), [...(groups.get(groupOf(item, group)) ?? []), item]);
  return [...groups.values()].flat();
}

function flipped(set: ReadonlySet<string>, name: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(name)) next.add(name);
  return next;
}

function GroupRow({ name, shown, count, folded, onFold }: { name: string; shown: string; count: number; folded: boolean; onFold: () => void }) {
  return (
    // A cell for each column, as columns come and go with the width; the name runs over all of them.
    <tr className="group-row" data-group={name}>
      <td className="c-check">
        <button type="button" className="toggle" aria-expanded={!folded} onClick={onFold}>
          {folded ? <ChevronRight className="icon small" /> : <ChevronDown className="icon small" />}
          <b>{shown}</b> <span className="count">{count}</span>
        </button>
      </td>
      {HEADS.map((head) => (
        <td key={head.id} className={head.className} />
      ))}
    </tr>
  );
}

function GroupMenu({ group, onChange }: { group: Group | undefined; onChange: (group: Group | undefined) => void }) {
  return (
    <Menu
      trigger={
        <button type="button" className="button" aria-pressed={group !== undefined}>
          <Layers className="icon small" /> {group === undefined ? 'Group' : GROUP_NAMES[group]} <Chevron />
        </button>
      }
      caption="Group by"
      items={[
        { key: '', label: 'Nothing', hint: group === undefined ? <Check className="icon small" /> : undefined, onSelect: () => onChange(undefined) },
        ...GROUPS.map((g) => ({ key: g, label: GROUP_NAMES[g], hint: g === group ? <Check className="icon small" /> : undefined, onSelect: () => onChange(g) })),
      ]}
    />
  );
}

const kept = (queue: QueueSearch): QueueSearch => ({ status: queue.status, severity: queue.severity, owner: queue.owner, tactic: queue.tactic, technique: queue.technique, search: queue.search, sort: queue.sort, order: queue.order, group: queue.group });

function Views({ queue, me }: { queue: QueueSearch; me: string }) {
  const open = ['New', 'Active'];
  const [saving, setSaving] = useState(false);
  const { data: saved } = useQuery(libraryQuery<{ queue?: Record<string, unknown> }>('views'));
  const discard = useDiscard('views');
  const navigate = useNavigate({ from: '/incidents' });
  const views: [string, QueueSearch][] = [
    ['Open', { status: open }],
    ['Mine', { status: open, owner: [me] }],
    ['Unassigned', { status: open, owner: [NOBODY] }],
    ['Closed', { status: ['Closed'] }],
    ['All', {}],
  ];
  const same = (a: QueueSearch, b: QueueSearch): boolean => {
    const key = (q: QueueSearch): string => JSON.stringify([q.status, q.severity, q.owner, q.tactic, q.technique, q.search]);
    return key(a) === key(b);
  };
  const own = (saved ?? []).map((item) => ({ item, queue: parseQueue(item.body.queue ?? {}) }));
  const chosen = own.find((view) => same(queue, view.queue) && view.queue.group === queue.group);
  return (
    <>
      <div className="views" role="group" aria-label="Views">
        {views.map(([name, search]) => (
          <Link key={name} to="/incidents" search={{ ...search, sort: queue.sort, order: queue.order, group: queue.group }} activeOptions={{ exact: true, includeSearch: true }} aria-current={same(queue, search) && chosen === undefined ? 'page' : undefined}>
            {name}
          </Link>
        ))}
      </div>
      <Menu
        trigger={
          <button type="button" className="button quiet" aria-label={chosen === undefined ? 'Saved views' : `Saved views: ${chosen.item.name}`}>
            {chosen?.item.name ?? 'Saved views'} <Chevron />
          </button>
        }
        items={[
          ...own.map(({ item, queue: search }) => ({ key: item.id, label: item.name, hint: chosen?.item.id === item.id ? <Check className="icon small" /> : item.shared ? <span className="faint">everybody</span> : undefined, onSelect: () => void navigate({ search }) })),
          ...(own.length > 0 ? ['line' as const] : []),
          { key: '+', label: 'Save this view', icon: <BookmarkPlus className="icon small" />, onSelect: () => setSaving(true) },
          ...(chosen === undefined ? [] : [{ key: '-', label: `Remove ${chosen.item.name}`, icon: <Trash2 className="icon small" />, onSelect: () => discard.mutate(chosen.item.id, { onSuccess: () => notify('The view is gone'), onError: notifyError }) }]),
        ]}
      />
      <SaveDialog open={saving} onOpenChange={setSaving} title="Save this view" kind="views" body={() => ({ queue: JSON.parse(JSON.stringify(kept(queue))) as unknown })} />
    </>
  );
}

function SearchField({ field, value, onChange }: { field: React.RefObject<HTMLInputElement | null>; value: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value);
  const latest = useRef(onChange);
  latest.current = onChange;
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (typed === value) return undefined;
    const timer = setTimeout(() => latest.current(typed.trim()), 200);
    return () => clearTimeout(timer);
  }, [typed, value]);
  return (
    <div className="search">
      <Search className="icon" />
      <input
        ref={field}
        className="input"
        type="search"
        aria-label="Search incidents"
        placeholder="Title, entity, technique, number"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape' || event.key === 'Enter') event.currentTarget.blur();
        }}
      />
      {typed === '' && <kbd>/</kbd>}
    </div>
  );
}

/** Keeps the list true without moving it under anybody: rows change where they stand, what is new waits in a pill. */
function useLiveQueue(queue: QueueSearch, shown: number, isIdle: () => boolean): { fresh: ReadonlySet<number>; waiting: number; showWaiting: () => void } {
  const client = useQueryClient();
  const key = queueToApi(queue);
  const [waiting, setWaiting] = useState<ReadonlySet<number>>(new Set());
  const [fresh, setFresh] = useState<ReadonlySet<number>>(new Set());
  const changed = useRef(new Set<number>());
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const state = useRef({ key, shown, isIdle });
  state.current = { key, shown, isIdle };

  useEffect(() => setWaiting(new Set()), [key]);
  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
    },
    [],
  );

  const settle = async (): Promise<void> => {
    timer.current = null;
    const numbers = [...changed.current];
    changed.current.clear();
    const asked = state.current.key;
    // An empty list, or one that has room, simply fills.
    if (state.current.shown === 0) {
      await client.invalidateQueries({ queryKey: ['incidents', asked] });
      return;
    }
    const latest = await client.fetchQuery({ queryKey: ['incidents-now', asked], staleTime: 0, gcTime: 0, queryFn: () => request<IncidentPage>(`/api/v1/incidents${asked}`) });
    const before = client.getQueryData<IncidentPage>(['incidents', asked]);
    if (before === undefined || state.current.key !== asked) return;
    const now = new Map(latest.items.map((item) => [item.number, item]));
    const kept = new Set(before.items.map((item) => item.number));
    const added = latest.items.filter((item) => !kept.has(item.number)).map((item) => item.number);
    const mark = (touched: number[]): void => {
      if (touched.length === 0) return;
      setFresh(new Set(touched));
      setTimeout(() => setFresh(new Set()), 2500);
    };
    if (added.length > 0 && state.current.isIdle()) {
      setWaiting(new Set());
      client.setQueryData<IncidentPage>(['incidents', asked], latest);
      mark([...added, ...numbers]);
      return;
    }
    client.setQueryData<IncidentPage>(['incidents', asked], {
      total: latest.total,
      facets: latest.facets,
      items: before.items.map((item) => now.get(item.number) ?? item),
    });
    // Rows that have left this page of the list still show what they are now.
    for (const number of numbers.filter((n) => kept.has(n) && !now.has(n)).slice(0, 20)) {
      const detail = await request<IncidentDetail>(`/api/v1/incidents/${number}`).catch(() => null);
      if (detail !== null) patchLists(client, detail);
    }
    if (added.length > 0) setWaiting((w) => new Set([...w, ...added]));
    mark(numbers.filter((n) => kept.has(n)));
  };

  useIncidentEvents(({ number }) => {
    changed.current.add(number);
    void client.invalidateQueries({ queryKey: ['incident', number] });
    timer.current ??= setTimeout(() => void settle().catch(() => undefined), 500);
  });

  return {
    fresh,
    waiting: waiting.size,
    showWaiting: () => {
      setWaiting(new Set());
      void client.invalidateQueries({ queryKey: ['incidents', key] });
    },
  };
}
