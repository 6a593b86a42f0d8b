// What arrives, what went silent, what was refused, and how to connect more.
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { Database, PlugZap, ShieldCheck } from 'lucide-react';
import { useMemo } from 'react';
import { number, objects, text, useKql } from '../../api/kql';
import { libraryQuery } from '../../api/library';
import { healthQuery, schemaQuery } from '../../api/queries';
import type { Json } from '../../api/types';
import { JsonTree } from '../../components/JsonTree';
import { Bars, QueryPanel, Spark, Tile } from '../../components/Panel';
import { RowsTable } from '../../components/RowsTable';
import { PageHead } from '../../components/ScopeBar';
import { TimeChart } from '../../components/TimeChart';
import { CopyButton, Empty, ErrorNotice, Skeleton, Time, Tip } from '../../components/ui';
import { bytes } from '../../lib/bytes';
import { compact } from '../../lib/chart';
import { course } from '../../lib/course';
import { FRESH, freshness } from '../../lib/freshness';
import { useNow, useTitle } from '../../lib/hooks';
import { columnName, literal } from '../../lib/kql';
import { Markdown } from '../../lib/markdown';
import { binSeconds, rangeEnds, useScope } from '../../lib/scope';
import { relative } from '../../lib/time';
import { parsed } from '../incidents/Alerts';
import { Connect, readSource } from './Connect';

/** What Taffrail itself writes. */
const OWN = new Set(['SecurityAlert', 'SecurityIncident', 'TaffrailHealth', 'DeadLetter']);

export function Sources() {
  useTitle('Sources');
  const search = useSearch({ from: '/app/sources' });
  const tab = search.tab ?? 'arriving';
  const { data: refused } = useKql('DeadLetter\n| count');
  const many = number(refused?.rows[0]?.[0]);
  return (
    <>
      <PageHead title="Sources" />
      <nav className="tabs" aria-label="Parts" style={{ padding: '0 20px' }}>
        {(
          [
            [undefined, 'What arrives', null],
            ['connect', 'Connect', null],
            ['refused', 'Refused records', many],
          ] as const
        ).map(([id, label, count]) => (
          <Link key={label} to="/sources" search={{ tab: id }} className="tab" activeOptions={{ exact: true, includeSearch: true }} aria-current={(id ?? 'arriving') === tab ? 'page' : undefined} replace>
            {label}
            {count !== null && count > 0 && <span className="count">{count.toLocaleString('en-US')}</span>}
          </Link>
        ))}
      </nav>
      <div className="page-scroll" style={{ paddingTop: 14 }}>
        {tab === 'arriving' && <Arriving />}
        {tab === 'connect' && <Gallery />}
        {tab === 'refused' && <Refused />}
      </div>
    </>
  );
}

function Arriving() {
  const { range, bin } = useScope();
  const now = useNow();
  const { data: health, error, refetch } = useQuery(healthQuery);
  const { data: schema } = useQuery(schemaQuery);
  const { data: described } = useQuery(libraryQuery('sources'));
  // How long a table may be silent: as long as the most patient of the sources that fill it.
  const patience = useMemo(() => {
    const found = new Map<string, number>();
    for (const source of (described ?? []).map((item) => readSource(item.body))) {
      for (const table of source.tables) if (source.silence !== undefined) found.set(table, Math.max(found.get(table) ?? 0, source.silence));
    }
    return found;
  }, [described]);
  const stored = (health?.tables ?? []).filter((t) => t.rows > 0);
  const union = stored.length === 0 ? null : `union withsource=Table ${stored.map((t) => columnName(t.name)).join(', ')}`;
  const others = stored.filter((t) => !OWN.has(t.name));
  const watched = others.length === 0 ? null : `union withsource=Table ${others.map((t) => columnName(t.name)).join(', ')}`;
  const latest = useKql(union === null ? null : `${union}\n| summarize Latest = max(TimeGenerated) by Table`, { timespan: null, every: 30_000 });
  const volume = useKql(union === null ? null : `${union}\n| summarize Rows = count() by Table, bin(TimeGenerated, ${bin})\n| sort by TimeGenerated asc`, { every: 30_000 });
  const lag = useKql(union === null ? null : `${union}\n| where isnotnull(_TimeReceived)\n| summarize Lag = percentile((_TimeReceived - TimeGenerated) / 1s, 95) by Table`);
  if (error && health === undefined) return <ErrorNotice error={error} retry={() => void refetch()} />;
  if (health === undefined) return <Skeleton />;
  if (stored.length === 0) {
    return (
      <Empty icon={<PlugZap />} title="Nothing has arrived yet">
        <p>Connect a source: the audit log of a cluster is the one that most rules read.</p>
        <Link to="/sources" search={{ tab: 'connect' }} className="button primary">
          Connect a source
        </Link>
      </Empty>
    );
  }
  const ends = rangeEnds(range, now);
  const seconds = ends === undefined ? null : (ends[1] - ends[0]) / 1000;
  // On whole bins, so that the query stays the same for a while.
  const began = ends === undefined ? 0 : Math.floor(ends[0] / (binSeconds(bin) * 1000)) * binSeconds(bin) * 1000;
  const at = new Map(objects(latest.data).map((row) => [text(row['Table']), text(row['Latest'])]));
  const lags = new Map(objects(lag.data).map((row) => [text(row['Table']), number(row['Lag'])]));
  const byTable = new Map<string, Json[][]>();
  for (const row of volume.data?.rows ?? []) byTable.set(text(row[0]), [...(byTable.get(text(row[0])) ?? []), row]);
  const courses = new Map([...byTable].map(([name, found]) => [name, course(found, 1, 2, binSeconds(bin), ends)]));
  const sum = (values: number[] | undefined): number => (values ?? []).reduce((a, b) => a + b, 0);
  const rows = stored.map((table) => ({ ...table, own: OWN.has(table.name), about: schema?.tables.find((t) => t.name === table.name)?.about ?? '', arrived: sum(courses.get(table.name)), latest: at.get(table.name) ?? '' }));
  rows.sort((a, b) => Number(a.own) - Number(b.own) || b.arrived - a.arrived || b.rows - a.rows);
  const outside = rows.filter((row) => !row.own);
  const silent = outside.filter((row) => row.latest !== '' && freshness(row.latest, now, patience.get(row.name)) === 'silent').length;
  return (
    <div className="column" style={{ gap: 14 }}>
      <div className="tiles">
        <Tile label="Tables with rows" value={outside.length} hint={`and ${rows.length - outside.length} that Taffrail writes`} />
        <Tile label="Silent" value={silent} tone={silent > 0 ? 'warn' : 'ok'} hint="nothing for longer than is usual" />
        <Tile label="Rows of this range" value={compact(sum(outside.map((row) => row.arrived)))} hint={seconds === null ? 'all time' : `${compact(sum(outside.map((row) => row.arrived)) / seconds)} a second`} />
        <Tile label="Stored" value={bytes(sum(rows.map((row) => row.bytes)))} hint={`${compact(sum(rows.map((row) => row.rows)))} rows in ${sum(rows.map((row) => row.files))} files`} />
      </div>
      <div className="panels">
        {union !== null && (
          <QueryPanel title="Volume" about="Rows by table; draw across to narrow the time" span={12} height={220} query={`${union}\n| summarize Rows = count() by bin(TimeGenerated, ${bin}), Table`}>
            {(answer) => <TimeChart answer={answer} bars />}
          </QueryPanel>
        )}
      </div>
      <div className="card" style={{ overflow: 'auto' }} tabIndex={0} role="region" aria-label="Tables">
        <table className="table">
          <thead>
            <tr>
              <th>Table</th>
              <th>State</th>
              <th>Last event</th>
              <th style={{ width: 170 }}>Volume</th>
              <th style={{ textAlign: 'right' }}>Rows of this range</th>
              <th style={{ textAlign: 'right' }}>Rate</th>
              <th style={{ textAlign: 'right' }}>Lag</th>
              <th style={{ textAlign: 'right' }}>Stored</th>
            </tr>
          </thead>
          <tbody className="number">
            {rows.map((row) => {
              const state = row.latest === '' ? undefined : freshness(row.latest, now, patience.get(row.name));
              const behind = lags.get(row.name);
              return (
                <tr key={row.name}>
                  <td style={{ minWidth: 200 }}>
                    <Link to="/logs" search={{ q: `${columnName(row.name)}\n| sort by TimeGenerated desc\n| take 100` }} className="mono">
                      {row.name}
                    </Link>
                    <div className="muted ellipsis" style={{ maxWidth: 420 }}>
                      {row.about}
                    </div>
                  </td>
                  <td>
                    {row.own ? (
                      <span className="faint">written here</span>
                    ) : (
                      <span className="row" style={{ gap: 7 }}>
                        <i className="state" data-state={state} />
                        {state === undefined ? '–' : FRESH[state]}
                      </span>
                    )}
                  </td>
                  <td>{row.latest === '' ? <span className="faint">–</span> : <Tip text={row.latest}><span tabIndex={0}>{relative(row.latest, now)}</span></Tip>}</td>
                  <td>
                    <Spark values={courses.get(row.name) ?? []} label={`Rows of ${row.name} over the range`} />
                  </td>
                  <td style={{ textAlign: 'right' }}>{row.arrived.toLocaleString('en-US')}</td>
                  <td style={{ textAlign: 'right' }}>{seconds === null ? '–' : `${compact(row.arrived / seconds)}/s`}</td>
                  <td style={{ textAlign: 'right' }}>{behind === undefined ? '–' : behind < 1 ? '<1 s' : behind < 120 ? `${Math.round(behind)} s` : `${Math.round(behind / 60)} min`}</td>
                  <td style={{ textAlign: 'right' }}>
                    {row.bytes === 0 ? <span className="faint">in memory</span> : bytes(row.bytes)}
                    <div className="faint">{row.rows.toLocaleString('en-US')} rows</div>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      <div className="panels">
        {watched !== null && ends !== undefined && (
          <QueryPanel
            title="Unusual volume"
            about="Tables that brought far more or far fewer rows than is usual for them in this range"
            span={12}
            query={`${watched}
| make-series Rows = count() on TimeGenerated from datetime(${new Date(began).toISOString()}) to datetime(${new Date(began + (ends[1] - ends[0])).toISOString()}) step ${bin} by Table
| extend (Flag, Score, Usual) = series_decompose_anomalies(Rows, 2.5)
| mv-expand TimeGenerated to typeof(datetime), Rows to typeof(long), Flag to typeof(long), Usual to typeof(real)
| where Flag != 0
| project When = TimeGenerated, Table, Rows, Usual = round(Usual, 1), What = iff(Flag > 0, "more than usual", "fewer than usual")
| top 30 by When desc`}
            empty="Nothing unusual in this range."
          >
            {(answer) => <RowsTable answer={answer} limit={8} />}
          </QueryPanel>
        )}
      </div>
      <p className="muted">
        <b>Lag</b>: from the time in an event to its arrival here, 95th percentile. <b>Stored</b>: on disk, compressed.
      </p>
    </div>
  );
}

function Gallery() {
  const search = useSearch({ from: '/app/sources' });
  const { data, error, isPending, refetch } = useQuery(libraryQuery('sources'));
  const { data: health } = useQuery(healthQuery);
  if (error && data === undefined) return <ErrorNotice error={error} retry={() => void refetch()} />;
  if (isPending) return <Skeleton />;
  const rows = new Map((health?.tables ?? []).map((t) => [t.name, t.rows]));
  const chosen = data?.find((item) => item.id === search.id);
  if (chosen) return <Connect item={chosen} rows={rows} />;
  const tables = (body: unknown): string[] => readSource(body).tables;
  const category = (body: unknown): string => readSource(body).family;
  const groups = [...new Set((data ?? []).map((item) => category(item.body)))];
  return (
    <div className="column" style={{ gap: 18 }}>
      <Connect item={null} rows={rows} />
      {groups.map((group) => (
        <section key={group} className="column" style={{ gap: 8 }}>
          <h2>{group}</h2>
          <div className="gallery">
            {(data ?? [])
              .filter((item) => category(item.body) === group)
              .map((item) => {
                const arrived = tables(item.body).some((table) => (rows.get(table) ?? 0) > 0);
                return (
                  <Link key={item.id} to="/sources" search={{ tab: 'connect', id: item.id }} className="card">
                    <h3>
                      <Database className="icon small" style={{ color: 'var(--accent)' }} />
                      <span className="grow">{item.name}</span>
                      {arrived && (
                        <span className="row faint" style={{ gap: 6, fontWeight: 450 }}>
                          <i className="state" data-state="ok" /> arrives
                        </span>
                      )}
                    </h3>
                    <span className="about">{item.description}</span>
                    {tables(item.body).length > 0 && (
                      <span className="chips">
                        {tables(item.body)
                          .slice(0, 4)
                          .map((table) => (
                            <span key={table} className="chip mono">
                              {table}
                            </span>
                          ))}
                      </span>
                    )}
                  </Link>
                );
              })}
          </div>
        </section>
      ))}
    </div>
  );
}

/** Records that were sent and could not be used. */
function Refused() {
  const search = useSearch({ from: '/app/sources' });
  const navigate = useNavigate({ from: '/sources' });
  const { bin } = useScope();
  const where = search.reason === undefined ? '' : `\n| where Reason == ${literal(search.reason)}`;
  const newest = useKql(`DeadLetter${where}\n| sort by TimeGenerated desc\n| take 50`);
  if (newest.data !== undefined && newest.data.rows.length === 0 && search.reason === undefined) {
    return (
      <Empty icon={<ShieldCheck />} title="Nothing was refused in this range">
        <p>A record that cannot be read is kept here with the reason, and its neighbours are stored. Choose a longer range to look further back.</p>
      </Empty>
    );
  }
  return (
    <div className="panels">
      <QueryPanel title="Refused over time" span={8} height={220} query={`DeadLetter${where}\n| summarize Records = count() by bin(TimeGenerated, ${bin}), Reason`}>
        {(answer) => <TimeChart answer={answer} bars />}
      </QueryPanel>
      <QueryPanel
        title="Why"
        span={4}
        height={220}
        query={'DeadLetter\n| summarize Records = count() by Reason\n| top 20 by Records'}
        actions={
          search.reason !== undefined && (
            <button type="button" className="button small" onClick={() => void navigate({ search: { ...search, reason: undefined }, replace: true })}>
              All reasons
            </button>
          )
        }
      >
        {(answer) => (
          <Bars
            bars={answer.rows.map((row) => ({
              key: text(row[0]),
              value: number(row[1]),
              label: (
                <button type="button" className="link" onClick={() => void navigate({ search: { ...search, reason: text(row[0]) }, replace: true })}>
                  {text(row[0])}
                </button>
              ),
            }))}
          />
        )}
      </QueryPanel>
      <QueryPanel title="The newest" span={12} query={`DeadLetter${where}\n| sort by TimeGenerated desc\n| take 50`}>
        {(answer) => (
          <ul className="list">
            {objects(answer).map((row, i) => (
              <li key={i} style={{ display: 'block' }}>
                <div className="row wrap">
                  <Time at={text(row['TimeGenerated'])} className="faint" />
                  <b>{text(row['Reason'])}</b>
                  <span className="chip">{text(row['Source'])}</span>
                  {text(row['Cluster']) !== '' && <span className="chip">{text(row['Cluster'])}</span>}
                  <span className="faint">
                    record {text(row['Record'])}, {bytes(number(row['RawLength']))}, from {text(row['Origin']) || 'unknown'}
                  </span>
                  <span className="grow" />
                  <CopyButton text={text(row['Raw'])} label="Copy the record" />
                </div>
                <div className="muted">
                  <Markdown text={text(row['Detail'])} />
                </div>
                <Raw value={text(row['Raw'])} />
              </li>
            ))}
          </ul>
        )}
      </QueryPanel>
    </div>
  );
}

function Raw({ value }: { value: string }) {
  const tree: Json = parsed(value, 'string');
  return (
    <details>
      <summary className="faint">As it was sent</summary>
      {typeof tree === 'object' && tree !== null ? (
        <JsonTree value={tree} />
      ) : (
        <pre className="block" tabIndex={0}>
          {value.slice(0, 4000)}
        </pre>
      )}
    </details>
  );
}
