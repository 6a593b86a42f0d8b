// Watchlists: what differs between companies, in tables that rules read and people edit.
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ListPlus, Plus, RotateCcw, Search, Trash2, Upload } from 'lucide-react';
import { useMemo, useRef, useState } from 'react';
import { idOf, libraryQuery, useDiscard, useKeep } from '../../api/library';
import { rulesQuery } from '../../api/queries';
import { notify, notifyError } from '../../components/toast';
import { CopyButton, Dialog, Empty, ErrorNotice, Skeleton, Time } from '../../components/ui';
import { download, toCsv } from '../../lib/export';
import { useMay } from '../../lib/session';
import { readCsv, readWatchlist, rulesOf, watchlistBody, type Watchlist } from '../../lib/watchlist';

export function Watchlists() {
  const search = useSearch({ from: '/app/intelligence' });
  const navigate = useNavigate({ from: '/intelligence' });
  const may = useMay('Contributor');
  const { data, error, isPending, refetch } = useQuery(libraryQuery('watchlists'));
  const { data: rules } = useQuery(rulesQuery);
  const [making, setMaking] = useState(false);
  const lists = useMemo(() => (data ?? []).map(readWatchlist).sort((a, b) => a.alias.localeCompare(b.alias)), [data]);
  const words = (search.search ?? '').toLowerCase();
  const shown = lists.filter((list) => `${list.alias} ${list.description}`.toLowerCase().includes(words));
  const chosen = lists.find((list) => list.id === search.id) ?? shown[0];
  if (error && data === undefined) return <ErrorNotice error={error} retry={() => void refetch()} />;
  if (isPending) return <Skeleton />;
  return (
    <div className="two-columns">
      <aside className="card list-card" aria-label="Lists">
        <div className="row" style={{ padding: 8 }}>
          <div className="search grow" style={{ minWidth: 0 }}>
            <Search className="icon" />
            <input className="input" type="search" aria-label="Find a list" placeholder="Find a list" value={search.search ?? ''} onChange={(event) => void navigate({ search: { ...search, search: event.target.value || undefined }, replace: true })} />
          </div>
          {may && (
            <button type="button" className="button square" aria-label="New list" title="New list" onClick={() => setMaking(true)}>
              <Plus className="icon" />
            </button>
          )}
        </div>
        <ul className="plain list-items">
          {shown.map((list) => (
            <li key={list.id}>
              <Link to="/intelligence" search={{ ...search, id: list.id }} data-chosen={list.id === chosen?.id} activeOptions={{ exact: true, includeSearch: true }}>
                <span className="row">
                  <b className="grow ellipsis">{list.alias}</b>
                  <span className="count">{list.rows.length}</span>
                </span>
                <span className="faint ellipsis">{list.item.origin === 'kept' ? 'yours' : list.item.origin === 'changed' ? 'shipped, changed' : 'shipped'}</span>
              </Link>
            </li>
          ))}
        </ul>
      </aside>
      {chosen === undefined ? (
        <Empty icon={<ListPlus />} title="No list fits">
          <p>Lists say what differs between companies: who is trusted, what may be public, whom to watch.</p>
        </Empty>
      ) : (
        <List key={chosen.id + (chosen.item.updatedAt ?? '')} list={chosen} rules={rulesOf(chosen, rules ?? [])} may={may} />
      )}
      <Dialog open={making} onOpenChange={setMaking} title="New watchlist" description="Rows can be pasted or imported afterwards.">
        {making && (
          <Make
            taken={lists}
            onMade={(id) => {
              setMaking(false);
              void navigate({ search: { id } });
            }}
          />
        )}
      </Dialog>
    </div>
  );
}

function Make({ taken, onMade }: { taken: Watchlist[]; onMade: (id: string) => void }) {
  const keep = useKeep('watchlists');
  const [alias, setAlias] = useState('');
  const [description, setDescription] = useState('');
  const [columns, setColumns] = useState('Value');
  const names = [...new Set(columns.split(',').map((name) => name.trim()).filter((name) => name !== ''))];
  const double = taken.some((list) => list.alias.toLowerCase() === alias.trim().toLowerCase());
  return (
    <form
      className="column"
      onSubmit={(event) => {
        event.preventDefault();
        const id = idOf(alias, taken.map((list) => list.id));
        keep.mutate({ id, name: alias.trim(), shared: true, body: watchlistBody({ description, searchKey: names[0] ?? 'Value', columns: names, rows: [], readBy: [] }) }, { onSuccess: () => onMade(id) });
      }}
    >
      <label className="field">
        <span className="label">Alias, by which queries call it</span>
        <input className="input" name="alias" required maxLength={80} pattern="[A-Za-z][A-Za-z0-9_\-]*" title="letters, digits, _ and -" value={alias} onChange={(event) => setAlias(event.target.value)} />
      </label>
      <label className="field">
        <span className="label">What it is for</span>
        <input className="input" name="description" value={description} onChange={(event) => setDescription(event.target.value)} />
      </label>
      <label className="field">
        <span className="label">Columns, the first is the search key</span>
        <input className="input" name="columns" required value={columns} onChange={(event) => setColumns(event.target.value)} />
      </label>
      {double && <span style={{ color: 'var(--danger)' }}>There is a list of this alias already.</span>}
      {keep.error && <ErrorNotice error={keep.error} />}
      <div className="row end">
        <button type="submit" className="button primary" disabled={keep.isPending || double || names.length === 0}>
          Make it
        </button>
      </div>
    </form>
  );
}

const ROW = 34;

function List({ list, rules, may }: { list: Watchlist; rules: { id: string; name: string }[]; may: boolean }) {
  const keep = useKeep('watchlists');
  const discard = useDiscard('watchlists');
  const [rows, setRows] = useState(list.rows);
  const [find, setFind] = useState('');
  const scroller = useRef<HTMLDivElement>(null);
  const file = useRef<HTMLInputElement>(null);
  const changed = rows !== list.rows;
  const words = find.toLowerCase();
  const shown = useMemo(() => rows.map((row, i) => [row, i] as const).filter(([row]) => words === '' || row.some((cell) => cell.toLowerCase().includes(words))), [rows, words]);
  const virtual = useVirtualizer({ count: shown.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 10 });
  const shipped = list.item.origin !== 'kept';
  const use = `_GetWatchlist('${list.alias}')${shipped && list.columns.length === 1 ? `, or ${list.alias}() as a list of values` : ''}`;
  const save = (): void =>
    keep.mutate(
      { id: list.id, name: list.alias, shared: true, basedOn: list.item.updatedAt, body: watchlistBody({ ...list, rows: rows.filter((row) => row.some((cell) => cell !== '')) }) },
      { onSuccess: () => notify(`${list.alias} is kept; rules read it from now on`), onError: notifyError },
    );
  const take = (content: string): void => {
    const read = readCsv(content).filter((row) => !(row.length === list.columns.length && row.every((cell, i) => cell === list.columns[i])));
    const known = new Set(rows.map((row) => JSON.stringify(row)));
    const fresh = read.map((row) => list.columns.map((_, i) => row[i] ?? '')).filter((row) => !known.has(JSON.stringify(row)));
    setRows([...rows, ...fresh]);
    notify(`${fresh.length} rows added; keep the list to use them`);
  };
  return (
    <section className="card list-page" aria-label={list.alias}>
      <header className="list-head">
        <div className="row wrap">
          <h2 className="grow">{list.alias}</h2>
          {may && list.item.origin === 'changed' && (
            <button type="button" className="button small" onClick={() => discard.mutate(list.id, { onSuccess: () => notify(`${list.alias} is as it was shipped`), onError: notifyError })}>
              <RotateCcw className="icon small" /> As shipped
            </button>
          )}
          {may && list.item.origin === 'kept' && (
            <button type="button" className="button small danger" onClick={() => discard.mutate(list.id, { onSuccess: () => notify(`${list.alias} is gone`), onError: notifyError })}>
              <Trash2 className="icon small" /> Remove
            </button>
          )}
          <button type="button" className="button small" onClick={() => download(`${list.alias}.csv`, 'text/csv;charset=utf-8', toCsv(list.columns.map((name) => ({ name, type: 'string' })), rows))}>
            CSV
          </button>
          {may && (
            <button type="button" className="button primary small" disabled={!changed || keep.isPending} onClick={save}>
              Keep changes
            </button>
          )}
        </div>
        <p className="muted">{list.description}</p>
        <div className="row wrap faint">
          {list.item.updatedBy && (
            <span>
              changed by {list.item.updatedBy} <Time at={list.item.updatedAt} />
            </span>
          )}
          <span>
            read by{' '}
            {rules.length === 0 ? (
              'no rule'
            ) : (
              <>
                {rules.slice(0, 3).map((rule, i) => (
                  <span key={rule.id}>
                    {i > 0 && ', '}
                    <Link to="/rules/$id" params={{ id: rule.id }}>
                      {rule.name}
                    </Link>
                  </span>
                ))}
                {rules.length > 3 && ` and ${rules.length - 3} more rules`}
              </>
            )}
          </span>
        </div>
        <div className="row">
          <span className="faint">in queries:</span>
          <code className="kql ellipsis">{use}</code>
          <CopyButton text={`_GetWatchlist('${list.alias}')`} />
        </div>
      </header>
      <div className="row" style={{ padding: '8px 14px', borderBottom: '1px solid var(--line)' }}>
        <input className="input" style={{ maxWidth: 260 }} type="search" aria-label="Find a row" placeholder="Find a row" value={find} onChange={(event) => setFind(event.target.value)} />
        <span className="faint number">
          {shown.length === rows.length ? rows.length : `${shown.length} of ${rows.length}`} {rows.length === 1 ? 'row' : 'rows'}
        </span>
        <span className="grow" />
        {may && (
          <>
            <button type="button" className="button small" onClick={() => setRows([list.columns.map(() => ''), ...rows])}>
              <Plus className="icon small" /> Row
            </button>
            <button type="button" className="button small" onClick={() => file.current?.click()}>
              <Upload className="icon small" /> Import CSV
            </button>
            <input
              ref={file}
              type="file"
              accept=".csv,.txt,text/csv,text/plain"
              hidden
              aria-label="CSV file"
              onChange={(event) => {
                const [chosen] = event.target.files ?? [];
                if (chosen) void chosen.text().then(take).catch(notifyError);
                event.target.value = '';
              }}
            />
          </>
        )}
      </div>
      <div className="list-rows" ref={scroller} tabIndex={0} role="region" aria-label="Rows of the list">
        <div className="list-row head">
          {list.columns.map((column) => (
            <span key={column}>
              {column}
              {column === list.searchKey && list.columns.length > 1 && <span className="faint"> key</span>}
            </span>
          ))}
        </div>
        <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {virtual.getVirtualItems().map((item) => {
            const [row, at] = shown[item.index] as readonly [string[], number];
            return (
              <div key={at} className="list-row" style={{ position: 'absolute', insetInline: 0, height: ROW, transform: `translateY(${item.start}px)` }}>
                {list.columns.map((column, i) => (
                  <input key={column} className="cell-input mono" aria-label={`${column} of row ${at + 1}`} readOnly={!may} value={row[i] ?? ''} onChange={(event) => setRows(rows.map((one, r) => (r === at ? one.map((cell, c) => (c === i ? event.target.value : cell)) : one)))} />
                ))}
                {may && (
                  <button type="button" className="button quiet small square" aria-label={`Remove row ${at + 1}`} onClick={() => setRows(rows.filter((_, r) => r !== at))}>
                    <Trash2 className="icon small" />
                  </button>
                )}
              </div>
            );
          })}
        </div>
        {rows.length === 0 && <p className="muted" style={{ padding: 14 }}>The list is empty. Add a row, or import a CSV file with the columns {list.columns.join(', ')}.</p>}
      </div>
    </section>
  );
}
