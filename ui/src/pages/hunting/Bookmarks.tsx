// What hunters kept: rows with notes and tags, from which incidents are made.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { Bookmark as BookmarkIcon, Search, ShieldPlus, SquareArrowOutUpRight, Trash2, X } from 'lucide-react';
import { useMemo, useState } from 'react';
import { libraryQuery, useDiscard, useKeep } from '../../api/library';
import { incidentsQuery } from '../../api/queries';
import type { Severity } from '../../api/types';
import { addFinding, openIncident } from '../../api/work';
import { EntityChips, Techniques } from '../../components/marks';
import { RowsTable, entityOf } from '../../components/RowsTable';
import { notify, notifyError } from '../../components/toast';
import { CheckBox, Dialog, Empty, ErrorNotice, Skeleton, Time } from '../../components/ui';
import { bookmarkBody, entitiesOf, finding, readBookmark, readTags, type Bookmark } from '../../lib/bookmarks';
import { SEVERITIES } from '../../lib/filters';
import { Markdown, plainText } from '../../lib/markdown';
import { useMay } from '../../lib/session';

export function Bookmarks() {
  const search = useSearch({ from: '/app/hunting' });
  const navigate = useNavigate({ from: '/hunting' });
  const { data, error, isPending, refetch } = useQuery(libraryQuery('bookmarks'));
  const may = useMay('Responder');
  const [checked, setChecked] = useState<ReadonlySet<string>>(new Set());
  const [promoting, setPromoting] = useState(false);
  const all = useMemo(() => (data ?? []).map((item) => readBookmark(item)).sort((a, b) => Date.parse(b.item.updatedAt ?? '') - Date.parse(a.item.updatedAt ?? '')), [data]);
  const words = (search.search ?? '').toLowerCase().split(/\s+/).filter((w) => w !== '');
  const tags = [...new Set(all.flatMap((one) => one.tags))].sort();
  const shown = all.filter((one) => words.every((w) => `${one.name} ${one.note} ${one.tags.join(' ')} ${one.item.updatedBy ?? ''}`.toLowerCase().includes(w)) && (search.tag === undefined || one.tags.includes(search.tag)));
  const chosen = all.find((one) => one.id === search.id);
  const set = (change: Partial<typeof search>): void => void navigate({ search: { ...search, ...change }, replace: true });
  const targets = shown.filter((one) => checked.has(one.id) && one.incident === null);

  if (error && data === undefined) return <ErrorNotice error={error} retry={() => void refetch()} />;
  if (isPending) return <Skeleton />;
  if (all.length === 0) {
    return (
      <Empty icon={<BookmarkIcon />} title="No bookmarks yet">
        <p>While hunting, keep the rows that matter: click a cell in Logs and choose Bookmark, or use the mark beside a row of a hunting query. Bookmarks carry a note and tags, and become an incident when they add up.</p>
        <Link to="/logs" search={{}} className="button">
          Open Logs
        </Link>
      </Empty>
    );
  }
  return (
    <>
      <div className="toolbar" style={{ padding: '0 20px 10px', minHeight: 0 }}>
        <div className="search">
          <Search className="icon" />
          <input className="input" type="search" aria-label="Find a bookmark" placeholder="Name, note, tag, person" value={search.search ?? ''} onChange={(event) => set({ search: event.target.value || undefined })} />
        </div>
        {tags.length > 0 && (
          <select className="select" style={{ width: 'auto' }} aria-label="Tag" value={search.tag ?? ''} onChange={(event) => set({ tag: event.target.value || undefined })}>
            <option value="">Tag: all</option>
            {tags.map((tag) => (
              <option key={tag}>{tag}</option>
            ))}
          </select>
        )}
        <span className="grow" />
        <button type="button" className="button primary" disabled={!may || targets.length === 0} onClick={() => setPromoting(true)}>
          <ShieldPlus className="icon small" /> Make an incident{targets.length > 0 ? ` of ${targets.length}` : ''}
        </button>
      </div>
      <div className="with-side" data-side={chosen !== undefined}>
        <div className="main">
          <div className="page-scroll">
            <div className="card" style={{ overflow: 'auto' }} tabIndex={0} role="region" aria-label="Bookmarks">
              <table className="table">
                <thead>
                  <tr>
                    <th style={{ width: 36 }} aria-label="Choose" />
                    <th>Bookmark</th>
                    <th style={{ width: 180 }}>Tags</th>
                    <th style={{ width: 130 }}>By</th>
                    <th style={{ width: 120 }}>Incident</th>
                  </tr>
                </thead>
                <tbody>
                  {shown.map((one) => (
                    <tr key={one.id} aria-selected={one.id === chosen?.id} onClick={() => set({ id: one.id === search.id ? undefined : one.id })} style={{ cursor: 'pointer' }}>
                      <td>
                        <CheckBox
                          label={`Choose ${one.name}`}
                          checked={checked.has(one.id)}
                          onChange={(on) => {
                            const next = new Set(checked);
                            if (on) next.add(one.id);
                            else next.delete(one.id);
                            setChecked(next);
                          }}
                        />
                      </td>
                      <td style={{ minWidth: 240 }}>
                        <button
                          type="button"
                          className="link"
                          onClick={(event) => {
                            event.stopPropagation();
                            set({ id: one.id === search.id ? undefined : one.id });
                          }}
                        >
                          <b>{one.name}</b>
                        </button>
                        <div className="muted ellipsis" style={{ maxWidth: 520 }}>
                          {plainText(one.note)}
                        </div>
                      </td>
                      <td>
                        <div className="chips">
                          {one.tags.map((tag) => (
                            <span key={tag} className="chip">
                              {tag}
                            </span>
                          ))}
                        </div>
                      </td>
                      <td className="muted nowrap">
                        {one.item.updatedBy}
                        <br />
                        <Time at={one.item.updatedAt} className="faint" />
                      </td>
                      <td>
                        {one.incident === null ? (
                          <span className="faint">–</span>
                        ) : (
                          <Link to="/incidents/$number" params={{ number: String(one.incident) }} onClick={(event) => event.stopPropagation()}>
                            #{one.incident}
                          </Link>
                        )}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {shown.length === 0 && <p className="muted" style={{ padding: 14 }}>No bookmark fits.</p>}
            </div>
          </div>
        </div>
        {chosen && <Side key={chosen.id} bookmark={chosen} onClose={() => set({ id: undefined })} />}
      </div>
      <Dialog open={promoting} onOpenChange={setPromoting} title={targets.length === 1 ? 'Make an incident of the bookmark' : `Make an incident of ${targets.length} bookmarks`}>
        {promoting && (
          <Promote
            bookmarks={targets}
            onDone={(number) => {
              setPromoting(false);
              setChecked(new Set());
              void navigate({ to: '/incidents/$number', params: { number: String(number) } });
            }}
          />
        )}
      </Dialog>
    </>
  );
}

function Promote({ bookmarks, onDone }: { bookmarks: Bookmark[]; onDone: (number: number) => void }) {
  const client = useQueryClient();
  const keep = useKeep('bookmarks');
  const { data: open } = useQuery(incidentsQuery({ status: ['New', 'Active'] }));
  const [into, setInto] = useState('');
  const [title, setTitle] = useState(bookmarks[0]?.name ?? '');
  const [description, setDescription] = useState(() => bookmarks.map((one) => one.note).filter((note) => note !== '').join('\n\n'));
  const [severity, setSeverity] = useState<Severity>('Medium');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (): Promise<void> => {
    const findings = bookmarks.map((one) => finding(one, entitiesOf(one.columns, one.rows, entityOf)));
    let number: number;
    if (into === '') number = (await openIncident({ title, description, severity, findings })).number;
    else {
      number = Number(into);
      for (const one of findings) await addFinding(number, one);
    }
    for (const one of bookmarks) await keep.mutateAsync({ id: one.id, name: one.name, shared: one.item.shared, body: bookmarkBody({ ...one, incident: number }) });
    await client.invalidateQueries({ queryKey: ['incidents'] });
    notify(into === '' ? `Incident ${number} is open` : `They are in incident ${number}`);
    onDone(number);
  };
  return (
    <form
      className="column"
      onSubmit={(event) => {
        event.preventDefault();
        setBusy(true);
        setError(null);
        submit()
          .catch(setError)
          .finally(() => setBusy(false));
      }}
    >
      <label className="field">
        <span className="label">Into</span>
        <select className="select" value={into} onChange={(event) => setInto(event.target.value)}>
          <option value="">A new incident</option>
          {(open?.items ?? []).map((incident) => (
            <option key={incident.number} value={incident.number}>
              #{incident.number} {incident.title}
            </option>
          ))}
        </select>
      </label>
      {into === '' && (
        <>
          <label className="field">
            <span className="label">Title</span>
            <input className="input" name="title" required maxLength={300} value={title} onChange={(event) => setTitle(event.target.value)} />
          </label>
          <label className="field">
            <span className="label">What it is about (Markdown)</span>
            <textarea className="textarea" name="description" value={description} onChange={(event) => setDescription(event.target.value)} />
          </label>
          <label className="field">
            <span className="label">Severity</span>
            <select className="select" name="severity" value={severity} onChange={(event) => setSeverity(event.target.value as Severity)}>
              {SEVERITIES.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
        </>
      )}
      {error !== null && <ErrorNotice error={error} />}
      <div className="row end">
        <button type="submit" className="button primary" disabled={busy}>
          {into === '' ? 'Open the incident' : 'Add to it'}
        </button>
      </div>
    </form>
  );
}

function Side({ bookmark, onClose }: { bookmark: Bookmark; onClose: () => void }) {
  const keep = useKeep('bookmarks');
  const discard = useDiscard('bookmarks');
  const may = useMay('Responder');
  const [note, setNote] = useState(bookmark.note);
  const [tags, setTags] = useState(bookmark.tags.join(', '));
  const [editing, setEditing] = useState(false);
  const entities = entitiesOf(bookmark.columns, bookmark.rows, entityOf);
  // Columns that are empty in every row only take room.
  const used = bookmark.columns.map((_, i) => i).filter((i) => bookmark.rows.some((row) => row[i] !== null && row[i] !== ''));
  const answer = { columns: used.map((i) => bookmark.columns[i] as never), rows: bookmark.rows.map((row) => used.map((i) => row[i] ?? null)), answer: { tables: [] }, took: 0 };
  return (
    <aside className="pane" aria-label={bookmark.name}>
      <header>
        <div className="row spread">
          <span className="muted">
            kept by {bookmark.item.updatedBy} <Time at={bookmark.item.updatedAt} />
          </span>
          <button type="button" className="button quiet small square" aria-label="Close" onClick={onClose}>
            <X className="icon" />
          </button>
        </div>
        <h2 style={{ overflowWrap: 'anywhere' }}>{bookmark.name}</h2>
        <div className="row wrap">
          {bookmark.query !== '' && (
            <Link to="/logs" search={{ q: bookmark.query }} className="button small">
              <SquareArrowOutUpRight className="icon small" /> Its query
            </Link>
          )}
          {may && (
            <button type="button" className="button small" aria-pressed={editing} onClick={() => setEditing(!editing)}>
              Edit
            </button>
          )}
          {may && (
            <button type="button" className="button small danger" onClick={() => discard.mutate(bookmark.id, { onSuccess: () => { notify('The bookmark is gone'); onClose(); }, onError: notifyError })}>
              <Trash2 className="icon small" /> Remove
            </button>
          )}
        </div>
      </header>
      {editing ? (
        <section>
          <form
            className="column"
            onSubmit={(event) => {
              event.preventDefault();
              keep.mutate({ id: bookmark.id, name: bookmark.name, shared: bookmark.item.shared, body: bookmarkBody({ ...bookmark, note, tags: readTags(tags) }) }, { onSuccess: () => setEditing(false), onError: notifyError });
            }}
          >
            <label className="field">
              <span className="label">Note (Markdown)</span>
              <textarea className="textarea" value={note} onChange={(event) => setNote(event.target.value)} />
            </label>
            <label className="field">
              <span className="label">Tags</span>
              <input className="input" value={tags} onChange={(event) => setTags(event.target.value)} />
            </label>
            <div className="row end">
              <button type="submit" className="button primary" disabled={keep.isPending}>
                Keep it
              </button>
            </div>
          </form>
        </section>
      ) : (
        <section className="column">
          {bookmark.note === '' ? <span className="muted">No note.</span> : <Markdown text={bookmark.note} />}
          <EntityChips entities={entities} max={12} />
          <Techniques tactics={bookmark.tactics} techniques={bookmark.techniques} max={6} />
        </section>
      )}
      <section style={{ maxHeight: 320 }}>
        <h3>{bookmark.rows.length === 1 ? 'The row' : `${bookmark.rows.length} rows`}</h3>
        <RowsTable answer={answer} />
      </section>
    </aside>
  );
}
