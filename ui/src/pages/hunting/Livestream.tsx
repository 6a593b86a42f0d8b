// A query that is asked again every few seconds; what is new appears on top.
import { useQuery } from '@tanstack/react-query';
import { Link, useSearch, useNavigate } from '@tanstack/react-router';
import { Play, Radio, Square, SquareArrowOutUpRight } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { clusterTables, kqlQuery } from '../../api/kql';
import { libraryQuery } from '../../api/library';
import { queryClient, schemaQuery } from '../../api/queries';
import type { Json, ResultColumn } from '../../api/types';
import { BookmarkDialog, type ToKeep } from '../../components/BookmarkDialog';
import { RowsTable } from '../../components/RowsTable';
import { Empty, ErrorNotice } from '../../components/ui';
import { bare } from '../../lib/hunting';
import { inCluster, useScope } from '../../lib/scope';
import { absolute } from '../../lib/time';

const EVERY = 5_000;
/** Rows may arrive out of order, a little late: this far back is asked again. */
const OVERLAP = 120_000;
const MOST = 500;

interface Stream {
  columns: ResultColumn[];
  rows: Json[][];
  looked: number;
}

/** Rows with a time after the last look, newest first; only those not seen yet are added. */
function useLivestream(query: string | null, since: number): { stream: Stream | null; error: unknown } {
  const [stream, setStream] = useState<Stream | null>(null);
  const [error, setError] = useState<unknown>(null);
  const seen = useRef(new Set<string>());
  useEffect(() => {
    if (query === null) return undefined;
    seen.current = new Set();
    setStream(null);
    setError(null);
    let ended = false;
    let timer: ReturnType<typeof setTimeout> | null = null;
    let last = since;
    const look = async (): Promise<void> => {
      const now = Date.now();
      const from = new Date(Math.max(since, last - OVERLAP)).toISOString();
      const text = `${bare(query)}\n| where TimeGenerated >= datetime(${from})\n| sort by TimeGenerated desc\n| take ${MOST}`;
      try {
        const answer = await queryClient.fetchQuery({ ...kqlQuery(text, undefined), staleTime: 0, gcTime: 0 });
        if (ended) return;
        last = now;
        const fresh = answer.rows.filter((row) => {
          const key = JSON.stringify(row);
          if (seen.current.has(key)) return false;
          seen.current.add(key);
          return true;
        });
        setError(null);
        setStream((before) => ({ columns: answer.columns, rows: [...fresh, ...(before?.rows ?? [])].slice(0, MOST), looked: now }));
      } catch (problem) {
        if (ended) return;
        setError(problem);
      }
      timer = setTimeout(() => void look(), EVERY);
    };
    void look();
    return () => {
      ended = true;
      if (timer !== null) clearTimeout(timer);
    };
  }, [query, since]);
  return { stream, error };
}

export function Livestream() {
  const search = useSearch({ from: '/app/hunting' });
  const navigate = useNavigate({ from: '/hunting' });
  const scope = useScope();
  const { data: hunts } = useQuery(libraryQuery<{ query?: string }>('hunting'));
  const { data: schema } = useQuery({ ...schemaQuery, enabled: scope.cluster !== undefined });
  const [text, setText] = useState(search.q ?? '');
  const [running, setRunning] = useState<{ query: string; since: number } | null>(null);
  const [toKeep, setToKeep] = useState<ToKeep | null>(null);
  const { stream, error } = useLivestream(running?.query ?? null, running?.since ?? 0);
  const start = (): void => {
    void navigate({ search: { ...search, q: text }, replace: true });
    setRunning({ query: inCluster(text, scope.cluster, clusterTables(schema)), since: Date.now() - 60_000 });
  };
  return (
    <div className="page-scroll column" style={{ gap: 14 }}>
      <section className="card">
        <div className="body column" style={{ gap: 10 }}>
          <div className="row wrap">
            <select
              className="select"
              style={{ width: 'auto', maxWidth: 360 }}
              aria-label="Take a hunting query"
              value=""
              onChange={(event) => {
                const item = (hunts ?? []).find((one) => one.id === event.target.value);
                if (item) setText((item.body.query ?? '').trim());
              }}
            >
              <option value="">Take a hunting query…</option>
              {(hunts ?? [])
                .filter((one) => !/\bsummarize\b/.test(one.body.query ?? ''))
                .map((one) => (
                  <option key={one.id} value={one.id}>
                    {one.name}
                  </option>
                ))}
            </select>
            <span className="grow" />
            {running !== null && (
              <span className="live" data-state={error === null ? 'live' : 'away'} role="status">
                <i /> {stream === null ? 'Looking' : `${stream.rows.length} since ${absolute(running.since).slice(11)}`}
              </span>
            )}
            <Link to="/logs" search={{ q: text }} className="button">
              <SquareArrowOutUpRight className="icon small" /> Open in Logs
            </Link>
            {running === null ? (
              <button type="button" className="button primary" disabled={text.trim() === ''} onClick={start}>
                <Play className="icon small" /> Start
              </button>
            ) : (
              <button type="button" className="button" onClick={() => setRunning(null)}>
                <Square className="icon small" /> Stop
              </button>
            )}
          </div>
          <textarea className="textarea code" style={{ minHeight: 90 }} aria-label="Query of the livestream" spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} placeholder={'KubernetesAudit\n| where EventType == "Exec"\n| project TimeGenerated, Username, Namespace, Name, Command'} />
        </div>
      </section>
      {error !== null && <ErrorNotice error={error} />}
      {stream !== null && stream.rows.length > 0 ? (
        <section className="card" aria-label="New rows" style={{ overflow: 'auto' }}>
          <RowsTable answer={{ columns: stream.columns, rows: stream.rows, answer: { tables: [] }, took: 0 }} onBookmark={(row) => setToKeep({ query: running?.query ?? text, columns: stream.columns, rows: [row] })} />
        </section>
      ) : (
        error === null && (
          <Empty icon={<Radio />} title={running === null ? 'Watch what happens' : 'Nothing new yet'}>
            <p>{running === null ? 'Choose a query whose rows carry TimeGenerated and start it: new rows appear here as they arrive, while a change is rolled out or a suspect is still at work.' : `Asked every ${EVERY / 1000} seconds; new rows appear here by themselves.`}</p>
          </Empty>
        )
      )}
      <BookmarkDialog what={toKeep} onClose={() => setToKeep(null)} />
    </div>
  );
}
