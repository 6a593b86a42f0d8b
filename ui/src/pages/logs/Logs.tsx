// Where people ask the logs.
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Link2, PanelLeft, Play, Plus, Search, Square, X } from 'lucide-react';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { ApiError, runQuery } from '../../api/client';
import { clusterTables } from '../../api/kql';
import { healthQuery, historyQuery, queryClient, schemaQuery } from '../../api/queries';
import type { Diagnostic, QueryAnswer } from '../../api/types';
import { ClusterPicker } from '../../components/ScopeBar';
import { notify } from '../../components/toast';
import { Empty, ErrorNotice, Tip, copyText } from '../../components/ui';
import { QueryEditor, type EditorHandle } from '../../editor/QueryEditor';
import { shift, withoutLines } from '../../lib/diagnostics';
import { readStored, store, useTitle } from '../../lib/hooks';
import { addFilter } from '../../lib/kql';
import { inCluster, useScope } from '../../lib/scope';
import { closeTab, editTab, newTab, openQuery, readTabs, storeTabs, tabName, type Tabs } from '../../lib/tabs';
import { duration, formatRange, parseRange, toTimespan, type Range } from '../../lib/time';
import { Messages } from './Messages';
import { Past } from './Past';
import { Result } from './Result';
import { Save, Saved } from './Saved';
import { RangePicker } from '../../components/RangePicker';
import { SchemaTree } from './SchemaTree';

type Outcome =
  | { state: 'running'; since: number; abort: AbortController }
  | { state: 'done'; answer: QueryAnswer; took: number; asked: string; timespan: string | undefined }
  | { state: 'failed'; error: unknown; diagnostics: Diagnostic[]; query: string }
  | { state: 'stopped' };

const NO_DIAGNOSTICS: Diagnostic[] = [];
const EXAMPLES = [
  ['What happened lately', 'KubernetesAudit\n| sort by TimeGenerated desc\n| take 100'],
  ['Who does what', 'KubernetesAudit\n| summarize Events = count() by Username, Verb\n| top 20 by Events'],
  ['Requests over time', 'KubernetesAudit\n| summarize count() by bin(TimeGenerated, 10m), Verb\n| render timechart'],
  ['Commands run inside pods', 'KubernetesAudit\n| where EventType == "Exec"\n| project TimeGenerated, Username, Namespace, Name, Command'],
] as const;

export function Logs() {
  useTitle('Logs');
  const search = useSearch({ from: '/app/logs' });
  const navigate = useNavigate({ from: '/logs' });
  const { data: schema, error: schemaError, refetch: loadSchema } = useQuery(schemaQuery);
  const { data: health } = useQuery({ ...healthQuery, refetchInterval: false });
  const counts = useMemo(() => new Map((health?.tables ?? []).map((t) => [t.name, t.rows])), [health]);
  const [tabs, setTabs] = useState<Tabs>(() => (search.q === undefined ? readTabs() : openQuery(readTabs(), search.q)));
  const [outcomes, setOutcomes] = useState<Record<string, Outcome>>({});
  const [tree, setTree] = useState(() => readStored('taffrail.logs.tree', true));
  const [height, setHeight] = useState(() => readStored('taffrail.logs.editor', 200));
  const editor = useRef<EditorHandle>(null);
  const active = tabs.list.find((t) => t.id === tabs.active) ?? (tabs.list[0] as Tabs['list'][number]);
  const outcome = outcomes[active.id];
  const range = parseRange(search.t);
  // The cluster of the page is put before a query when it runs, as on every other page.
  const { cluster } = useScope();
  const scoped = useRef({ cluster, tables: clusterTables(schema) });
  scoped.current = { cluster, tables: clusterTables(schema) };
  const tabsNow = useRef(tabs);
  tabsNow.current = tabs;

  useEffect(() => storeTabs(tabs), [tabs]);

  const conclude = useCallback((tab: string, next: Outcome, abort?: AbortController): void => {
    setOutcomes((before) => {
      const running = before[tab];
      // An answer that nobody waits for any more is dropped.
      if (abort && !(running?.state === 'running' && running.abort === abort)) return before;
      return { ...before, [tab]: next };
    });
  }, []);

  const run = useCallback(
    (tab: string, text: string, over: Range, from: { line: number; column: number } = { line: 1, column: 1 }): void => {
      if (text.trim() === '') return;
      const abort = new AbortController();
      const since = performance.now();
      setOutcomes((before) => {
        const running = before[tab];
        if (running?.state === 'running') running.abort.abort();
        return { ...before, [tab]: { state: 'running', since, abort } };
      });
      const { cluster, tables } = scoped.current;
      const asked = inCluster(text, cluster, tables);
      const before = asked === text ? 0 : asked.slice(0, asked.length - text.length).split('\n').length - 1;
      runQuery(asked, toTimespan(over), abort.signal)
        .then((answer) => conclude(tab, { state: 'done', answer, took: performance.now() - since, asked, timespan: toTimespan(over) }, abort))
        .catch((error: unknown) => {
          if (error instanceof DOMException && error.name === 'AbortError') return;
          const found = error instanceof ApiError ? error.diagnostics : [];
          conclude(tab, { state: 'failed', error, query: tabsNow.current.list.find((t) => t.id === tab)?.text ?? text, diagnostics: shift(withoutLines(found, before), from.line, from.column) }, abort);
        })
        .finally(() => void queryClient.invalidateQueries({ queryKey: historyQuery.queryKey }));
    },
    [conclude],
  );

  const stop = useCallback((): void => {
    setOutcomes((before) => {
      const running = before[tabsNow.current.active];
      if (running?.state !== 'running') return before;
      running.abort.abort();
      return { ...before, [tabsNow.current.active]: { state: 'stopped' } };
    });
  }, []);

  /** Runs the selection, or everything; the address then names it. */
  const runActive = (text = active.text, over = range): void => {
    const selected = text === active.text ? (editor.current?.selection() ?? null) : null;
    void navigate({ search: { q: text, t: search.t === undefined && over === range ? undefined : formatRange(over) }, replace: true });
    if (selected) run(active.id, selected.text, over, selected);
    else run(active.id, text, over);
  };

  // A query that arrives in the address is shown and run; a query that ran here is already there.
  const arrived = useRef<string | null>(null);
  useEffect(() => {
    if (search.q === undefined) return;
    const key = search.q;
    if (arrived.current === key) return;
    arrived.current = key;
    const next = openQuery(tabsNow.current, key);
    const tab = next.active;
    setTabs(next);
    setOutcomes((before) => {
      if (before[tab] === undefined) queueMicrotask(() => run(tab, key, parseRange(search.t)));
      return before;
    });
    // The range alone does not bring a query in; choosing one runs it below.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [search.q, run]);

  const show = (query: string, andRun = true): void => {
    const next = openQuery(tabs, query);
    setTabs(next);
    arrived.current = query;
    void navigate({ search: { q: query, t: search.t }, replace: true });
    if (andRun) run(next.active, query, range);
  };

  return (
    <div className="logs" data-tree={tree}>
      {tree &&
        (schema ? (
          <SchemaTree schema={schema} counts={counts} onInsert={(text) => editor.current?.insert(text)} onPreview={(query) => show(query)} />
        ) : (
          <aside className="schema">{schemaError && <div style={{ padding: 8 }}><ErrorNotice error={schemaError} retry={() => void loadSchema()} /></div>}</aside>
        ))}
      <div className="logs-main" style={{ '--editor': `${height}px` } as React.CSSProperties}>
        <div className="query-tabs" role="group" aria-label="Queries">
          <Tip text={tree ? 'Hide the tables' : 'Show the tables'}>
            <button
              type="button"
              className="button quiet small square"
              style={{ alignSelf: 'center' }}
              aria-label={tree ? 'Hide the tables' : 'Show the tables'}
              onClick={() => {
                setTree(!tree);
                store('taffrail.logs.tree', !tree);
              }}
            >
              <PanelLeft className="icon" />
            </button>
          </Tip>
          {tabs.list.map((tab) => (
            <div key={tab.id} className="query-tab" data-active={tab.id === active.id}>
              <button
                type="button"
                aria-current={tab.id === active.id ? 'true' : undefined}
                onClick={() => setTabs({ ...tabs, active: tab.id })}
                onAuxClick={(event) => event.button === 1 && setTabs(closeTab(tabs, tab.id))}
              >
                {tabName(tab.text)}
              </button>
              {tabs.list.length > 1 && (
                <button type="button" className="button quiet small square" aria-label={`Close ${tabName(tab.text)}`} onClick={() => setTabs(closeTab(tabs, tab.id))}>
                  <X className="icon small" />
                </button>
              )}
            </div>
          ))}
          <button
            type="button"
            className="button quiet small square"
            style={{ alignSelf: 'center' }}
            aria-label="New query"
            onClick={() => {
              const added = newTab('');
              setTabs({ list: [...tabs.list, added], active: added.id });
            }}
          >
            <Plus className="icon" />
          </button>
        </div>
        <div className="toolbar" style={{ background: 'var(--surface)' }}>
          {outcome?.state === 'running' ? (
            <button type="button" className="button" onClick={stop}>
              <Square className="icon small" /> Stop
            </button>
          ) : (
            <button type="button" className="button primary" onClick={() => runActive()} disabled={active.text.trim() === ''}>
              <Play className="icon small" /> Run
            </button>
          )}
          <ClusterPicker />
          <RangePicker
            range={range}
            onChange={(next) => {
              void navigate({ search: { q: active.text === '' ? undefined : active.text, t: formatRange(next) }, replace: true });
              arrived.current = active.text;
              if (outcome !== undefined) run(active.id, active.text, next);
            }}
          />
          <span className="grow" />
          <Save query={active.text} />
          <Saved onChoose={(query) => show(query, false)} />
          <Past onChoose={(query) => show(query, false)} />
          <Tip text="Copy a link to this query">
            <button
              type="button"
              className="button quiet"
              disabled={active.text === ''}
              onClick={() => {
                const link = `${location.origin}/logs?${new URLSearchParams({ q: active.text, t: formatRange(range) }).toString()}`;
                void copyText(link).then(() => notify('Link copied'));
              }}
            >
              <Link2 className="icon small" /> Link
            </button>
          </Tip>
        </div>
        <QueryEditor
          ref={editor}
          id={active.id}
          value={active.text}
          schema={schema}
          onChange={(text) => {
            setTabs((before) => editTab(before, active.id, text));
            // A failure speaks about the text that ran, not about this one.
            setOutcomes((before) => {
              const last = before[active.id];
              return last?.state === 'failed' && last.diagnostics.length > 0 && last.query !== text ? { ...before, [active.id]: { ...last, diagnostics: NO_DIAGNOSTICS } } : before;
            });
          }}
          onRun={() => runActive()}
          onStop={stop}
          failed={outcome?.state === 'failed' ? outcome.diagnostics : NO_DIAGNOSTICS}
        />
        <Splitter height={height} onChange={setHeight} />
        <section className="results" aria-label="Result">
          {outcome === undefined && (
            <Empty icon={<Search />} title="Ask the logs">
              <p>
                Write a query in KQL and press <kbd>Shift</kbd> <kbd>Enter</kbd>, or begin with one of these.
              </p>
              <div className="row wrap" style={{ justifyContent: 'center' }}>
                {EXAMPLES.map(([name, query]) => (
                  <button key={name} type="button" className="button" onClick={() => show(query)}>
                    {name}
                  </button>
                ))}
              </div>
            </Empty>
          )}
          {outcome?.state === 'running' && <Running since={outcome.since} />}
          {outcome?.state === 'stopped' && (
            <Empty icon={<Square />} title="Stopped">
              <p>The query was stopped before it answered.</p>
            </Empty>
          )}
          {outcome?.state === 'failed' && (
            <Messages
              error={outcome.error}
              text={outcome.query}
              diagnostics={outcome.diagnostics}
              onReveal={(d) => editor.current?.reveal(d)}
              onFix={(d) => editor.current?.applyFix(d)}
            />
          )}
          {outcome?.state === 'done' && (
            <Result
              key={active.id}
              query={outcome.asked}
              timespan={outcome.timespan}
              answer={outcome.answer}
              took={outcome.took}
              view={search.view}
              range={range}
              onView={(view) => void navigate({ search: { ...search, view }, replace: true })}
              onFilter={(where) => {
                const text = addFilter(active.text, where);
                setTabs((before) => editTab(before, active.id, text));
                arrived.current = text;
                void navigate({ search: { q: text, t: search.t }, replace: true });
                run(active.id, text, range);
              }}
              onAll={() => {
                void navigate({ search: { ...search, t: 'all' }, replace: true });
                run(active.id, active.text, { kind: 'all' });
              }}
            />
          )}
        </section>
      </div>
    </div>
  );
}

function Running({ since }: { since: number }) {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 100);
    return () => clearInterval(timer);
  }, []);
  return (
    <div className="empty" role="status">
      <span className="spinner" />
      <p className="number">Running, {duration(Math.max(0, Math.floor((now - since) / 100) * 100))}</p>
      <p className="faint">Esc stops it.</p>
    </div>
  );
}

const LEAST = 80;

function Splitter({ height, onChange }: { height: number; onChange: (height: number) => void }) {
  const most = (): number => Math.max(LEAST, innerHeight - 260);
  const set = (next: number): void => {
    const kept = Math.round(Math.min(Math.max(next, LEAST), most()));
    onChange(kept);
    store('taffrail.logs.editor', kept);
  };
  return (
    <div
      className="splitter"
      role="separator"
      tabIndex={0}
      aria-orientation="horizontal"
      aria-label="Height of the editor"
      aria-valuenow={height}
      aria-valuemin={LEAST}
      onKeyDown={(event) => {
        if (event.key === 'ArrowUp') set(height - 20);
        if (event.key === 'ArrowDown') set(height + 20);
      }}
      onPointerDown={(event) => {
        const start = event.clientY;
        const target = event.currentTarget;
        target.setPointerCapture(event.pointerId);
        const move = (moved: PointerEvent): void => set(height + moved.clientY - start);
        target.addEventListener('pointermove', move);
        target.addEventListener('pointerup', () => target.removeEventListener('pointermove', move), { once: true });
      }}
    />
  );
}

