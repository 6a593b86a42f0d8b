// The answer to a query: as a table, as a chart, with its plan, as files.
import { ChartColumn, Columns3, Download, Gauge, ListFilter, Table2, Workflow } from 'lucide-react';
import { useEffect, useMemo, useState } from 'react';
import type { QueryAnswer, Render } from '../../api/types';
import { parquet } from '../../api/work';
import { BookmarkDialog, type ToKeep } from '../../components/BookmarkDialog';
import { Chart } from '../../components/Chart';
import { notify, notifyError } from '../../components/toast';
import { CheckBox, Chevron, Empty, Menu, Popover, Warning, copyText } from '../../components/ui';
import { bytes } from '../../lib/bytes';
import { CHART_KINDS, CHART_NAMES, chartKind, compact, suggestKind, type ChartKind } from '../../lib/chart';
import { download, downloadBlob, toCsv, toJson } from '../../lib/export';
import { readStored, store } from '../../lib/hooks';
import { duration, type Range } from '../../lib/time';
import { Fields } from './Fields';
import { Grid } from './Grid';
import { Plan } from './Plan';

/** What the server did for it. */
function Statistics({ answer, took }: { answer: QueryAnswer; took: number }) {
  const query = answer.statistics?.query;
  if (query === undefined) return null;
  const scanned = query.inputDatasetStatistics;
  const size = query.datasetStatistics?.[0]?.tableSize;
  const seconds = query.executionTime ?? 0;
  return (
    <Popover
      label="Query statistics"
      trigger={
        <button type="button" className="button quiet small square" aria-label="Query statistics">
          <Gauge className="icon small" />
        </button>
      }
    >
      <dl className="facts" style={{ minWidth: 240 }}>
        <dt>On the server</dt>
        <dd className="number">{duration(seconds * 1000)}</dd>
        <dt>With the way here</dt>
        <dd className="number">{duration(took)}</dd>
        {scanned?.rows?.scanned !== undefined && (
          <>
            <dt>Rows read</dt>
            <dd className="number">{scanned.rows.scanned.toLocaleString('en-US')}</dd>
          </>
        )}
        {scanned?.bytes?.scanned !== undefined && scanned.bytes.scanned > 0 && (
          <>
            <dt>Bytes read</dt>
            <dd className="number">{bytes(scanned.bytes.scanned)}</dd>
          </>
        )}
        {scanned?.rows?.scanned !== undefined && seconds > 0 && (
          <>
            <dt>Speed</dt>
            <dd className="number">{compact(scanned.rows.scanned / seconds)} rows/s</dd>
          </>
        )}
        {size !== undefined && (
          <>
            <dt>Answer</dt>
            <dd className="number">{bytes(size)}</dd>
          </>
        )}
      </dl>
    </Popover>
  );
}

interface ResultProps {
  query: string;
  timespan: string | undefined;
  answer: QueryAnswer;
  took: number;
  view: 'table' | 'chart' | 'plan' | undefined;
  range: Range;
  onView: (view: 'table' | 'chart' | 'plan') => void;
  onFilter: (where: string) => void;
  onAll: () => void;
}

export function Result({ query, timespan, answer, took, view, range, onView, onFilter, onAll }: ResultProps) {
  const [at, setAt] = useState(0);
  const [toKeep, setToKeep] = useState<ToKeep | null>(null);
  const [exporting, setExporting] = useState(false);
  const several = answer.tables.length > 1;
  const table = answer.tables[at] ?? answer.tables[0];
  const columns = useMemo(() => table?.columns ?? [], [table]);
  const rows = useMemo(() => table?.rows ?? [], [table]);
  const render = (answer.render ?? null) as Render | null;
  const asked = chartKind(render);
  const [kind, setKind] = useState<ChartKind | null>(null);
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const [fields, setFields] = useState(() => readStored('taffrail.logs.fields', false));
  useEffect(() => {
    setHidden(new Set());
    setKind(null);
    setAt(0);
  }, [answer]);
  const shownKind = kind ?? (asked !== null && asked !== 'table' ? asked : suggestKind(columns)) ?? 'columnchart';
  const shown = view ?? (asked !== null && asked !== 'table' ? 'chart' : 'table');
  const server = answer.statistics?.query?.executionTime;
  const name = `taffrail-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}`;
  const unknown = render?.visualization && asked === null ? render.visualization : null;

  return (
    <>
      <div className="results-bar">
        <div className="tabs" role="tablist" aria-label="Result as">
          <button type="button" role="tab" aria-selected={shown === 'table'} data-state={shown === 'table' ? 'active' : undefined} className="tab" onClick={() => onView('table')}>
            <Table2 className="icon small" /> Results
          </button>
          <button type="button" role="tab" aria-selected={shown === 'chart'} data-state={shown === 'chart' ? 'active' : undefined} className="tab" onClick={() => onView('chart')}>
            <ChartColumn className="icon small" /> Chart
          </button>
          <button type="button" role="tab" aria-selected={shown === 'plan'} data-state={shown === 'plan' ? 'active' : undefined} className="tab" onClick={() => onView('plan')}>
            <Workflow className="icon small" /> Plan
          </button>
        </div>
        {several && (
          <Menu
            caption="Tables of the answer"
            trigger={
              <button type="button" className="button small">
                {tableName(answer.tables, at)} <Chevron />
              </button>
            }
            items={answer.tables.map((one, i) => ({ key: String(i), label: tableName(answer.tables, i), hint: <span className="faint number">{one.rows.length.toLocaleString('en-US')}</span>, onSelect: () => setAt(i) }))}
          />
        )}
        <span className="faint number" data-testid="statistics" role="status">
          {rows.length.toLocaleString('en-US')} {rows.length === 1 ? 'row' : 'rows'} in {duration(typeof server === 'number' ? server * 1000 : took)}
        </span>
        <Statistics answer={answer} took={took} />
        <span className="grow" />
        {shown === 'chart' && (
          <Menu
            align="end"
            trigger={
              <button type="button" className="button small">
                {CHART_NAMES[shownKind]} <Chevron />
              </button>
            }
            items={CHART_KINDS.map((k) => ({ key: k, label: CHART_NAMES[k], onSelect: () => setKind(k) }))}
          />
        )}
        {shown === 'table' && rows.length > 0 && (
          <button
            type="button"
            className="button small"
            aria-pressed={fields}
            onClick={() => {
              setFields(!fields);
              store('taffrail.logs.fields', !fields);
            }}
          >
            <ListFilter className="icon small" /> Fields
          </button>
        )}
        {shown === 'table' && columns.length > 0 && <ColumnChooser names={columns.map((c) => c.name)} hidden={hidden} onChange={setHidden} />}
        <Menu
          align="end"
          trigger={
            <button type="button" className="button small" disabled={rows.length === 0}>
              <Download className="icon small" /> Export <Chevron />
            </button>
          }
          items={[
            { key: 'csv', label: 'CSV file', onSelect: () => download(`${name}.csv`, 'text/csv;charset=utf-8', toCsv(columns, rows)) },
            { key: 'json', label: 'JSON file', onSelect: () => download(`${name}.json`, 'application/json', toJson(columns, rows)) },
            {
              key: 'parquet',
              label: 'Parquet file',
              hint: <span className="faint">asked again</span>,
              disabled: exporting,
              onSelect: () => {
                setExporting(true);
                parquet(query, timespan)
                  .then((file) => downloadBlob(`${name}.parquet`, file))
                  .catch(notifyError)
                  .finally(() => setExporting(false));
              },
            },
            { key: 'copy', label: 'Copy as CSV', onSelect: () => void copyText(toCsv(columns, rows)).then(() => notify(`${rows.length} rows copied`)) },
          ]}
        />
      </div>
      {answer.error && <div style={{ padding: 10 }}><Warning>{answer.error.details?.[0]?.message ?? answer.error.message}</Warning></div>}
      {unknown !== null && shown === 'chart' && <div style={{ padding: 10 }}><Warning>render {unknown} is not drawn yet; this is a {CHART_NAMES[shownKind].toLowerCase()} of the same rows.</Warning></div>}
      <div className="results-body">
        {shown === 'plan' ? (
          <Plan query={query} />
        ) : rows.length === 0 ? (
          <Empty icon={<Table2 />} title="No rows">
            <p>The query ran and found nothing{range.kind === 'all' ? '' : ' in this time range'}.</p>
            {range.kind !== 'all' && (
              <button type="button" className="button" onClick={onAll}>
                Look in all time
              </button>
            )}
          </Empty>
        ) : shown === 'chart' ? (
          <Chart kind={shownKind} columns={columns} rows={rows} render={render} />
        ) : (
          <div className="with-fields" data-fields={fields}>
            {fields && <Fields columns={columns} rows={rows} onFilter={onFilter} />}
            <Grid columns={columns} rows={rows} hidden={hidden} onFilter={onFilter} onBookmark={(kept) => setToKeep({ query, columns, rows: kept })} />
          </div>
        )}
      </div>
      <BookmarkDialog what={toKeep} onClose={() => setToKeep(null)} />
    </>
  );
}

/** Tables that the query names keep their names; the others are counted. */
const tableName = (tables: QueryAnswer['tables'], at: number): string => {
  const name = tables[at]?.name ?? '';
  return name === '' || name === 'PrimaryResult' || /^Table_\d+$/.test(name) ? `Answer ${at + 1} of ${tables.length}` : name;
};

function ColumnChooser({ names, hidden, onChange }: { names: string[]; hidden: ReadonlySet<number>; onChange: (hidden: ReadonlySet<number>) => void }) {
  const [find, setFind] = useState('');
  const shown = names.length - hidden.size;
  return (
    <Popover
      label="Columns"
      align="end"
      trigger={
        <button type="button" className="button small">
          <Columns3 className="icon small" /> Columns {hidden.size > 0 && <span className="count">{shown}/{names.length}</span>}
        </button>
      }
    >
      <div className="column" style={{ width: 250, gap: 8 }}>
        <input className="input" type="search" placeholder="Find a column" aria-label="Find a column" value={find} onChange={(event) => setFind(event.target.value)} />
        <div className="row">
          <button type="button" className="link" onClick={() => onChange(new Set())}>
            Show all
          </button>
          <button type="button" className="link" onClick={() => onChange(new Set(names.map((_, i) => i).slice(1)))}>
            Hide all but the first
          </button>
        </div>
        <div style={{ maxHeight: 320, overflow: 'auto' }} className="column">
          {names.map((name, i) =>
            name.toLowerCase().includes(find.toLowerCase()) ? (
              <label key={i} className="row" style={{ cursor: 'pointer' }}>
                <CheckBox
                  label={name}
                  checked={!hidden.has(i)}
                  onChange={(visible) => {
                    const next = new Set(hidden);
                    if (visible) next.delete(i);
                    else next.add(i);
                    onChange(next);
                  }}
                />
                <span className="mono ellipsis">{name}</span>
              </label>
            ) : null,
          )}
        </div>
      </div>
    </Popover>
  );
}
