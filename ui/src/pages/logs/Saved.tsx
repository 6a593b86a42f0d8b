import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { BookOpenText, BookmarkPlus, Crosshair, FolderOpen, LibraryBig, Radio, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { libraryQuery, useDiscard, useKeep } from '../../api/library';
import { SaveDialog } from '../../components/SaveDialog';
import { notify, notifyError } from '../../components/toast';
import { Chevron, Dialog, Menu, Popover } from '../../components/ui';
import { useMay } from '../../lib/session';
import { tabName } from '../../lib/tabs';
import { readWorkbook, writeWorkbook } from '../../lib/workbook';

interface Saved {
  query?: string;
}

/** Queries that were kept, by this person or for everybody. */
export function Saved({ onChoose }: { onChoose: (query: string) => void }) {
  const [open, setOpen] = useState(false);
  const [find, setFind] = useState('');
  const { data } = useQuery({ ...libraryQuery<Saved>('queries'), enabled: open });
  const discard = useDiscard('queries');
  const mayShare = useMay('Contributor');
  const words = find.trim().toLowerCase();
  const shown = (data ?? []).filter((item) => `${item.name} ${item.body.query ?? ''}`.toLowerCase().includes(words));
  return (
    <Popover
      label="Saved queries"
      align="end"
      open={open}
      onOpenChange={setOpen}
      trigger={
        <button type="button" className="button quiet">
          <FolderOpen className="icon small" /> Saved
        </button>
      }
    >
      <div className="column" style={{ width: 'min(480px, 86vw)', gap: 8 }}>
        <input className="input" type="search" placeholder="Find a saved query" aria-label="Find a saved query" value={find} onChange={(event) => setFind(event.target.value)} />
        {data && shown.length === 0 && <p className="muted">{data.length === 0 ? 'Queries that you keep with Save are here.' : 'No query fits.'}</p>}
        <ul className="plain" style={{ maxHeight: '50vh', overflow: 'auto' }}>
          {shown.map((item) => (
            <li key={item.id} className="row options">
              <button
                type="button"
                className="item grow"
                onClick={() => {
                  setOpen(false);
                  onChoose(item.body.query ?? '');
                }}
              >
                <span className="grow ellipsis">{item.name}</span>
                {item.shared && <span className="faint">everybody</span>}
              </button>
              {(!item.shared || mayShare) && (
                <button type="button" className="button quiet small square" aria-label={`Remove ${item.name}`} onClick={() => discard.mutate(item.id, { onSuccess: () => notify('The query is gone'), onError: notifyError })}>
                  <Trash2 className="icon small" />
                </button>
              )}
            </li>
          ))}
        </ul>
      </div>
    </Popover>
  );
}

type What = 'queries' | 'hunting' | 'tile' | null;

/** What a query can become. */
export function Save({ query }: { query: string }) {
  const navigate = useNavigate();
  const [what, setWhat] = useState<What>(null);
  const name = query === '' ? '' : tabName(query);
  return (
    <>
      <Menu
        align="end"
        trigger={
          <button type="button" className="button quiet" disabled={query.trim() === ''}>
            <BookmarkPlus className="icon small" /> Save <Chevron />
          </button>
        }
        items={[
          { key: 'query', label: 'As a saved query', icon: <BookmarkPlus className="icon small" />, onSelect: () => setWhat('queries') },
          { key: 'hunting', label: 'As a hunting query', icon: <Crosshair className="icon small" />, onSelect: () => setWhat('hunting') },
          { key: 'rule', label: 'Make a rule of it', icon: <BookOpenText className="icon small" />, onSelect: () => void navigate({ to: '/rules/new', search: { q: query } }) },
          { key: 'live', label: 'Watch it live', icon: <Radio className="icon small" />, onSelect: () => void navigate({ to: '/hunting', search: { tab: 'live', q: query } }) },
          { key: 'tile', label: 'As a part of a workbook', icon: <LibraryBig className="icon small" />, onSelect: () => setWhat('tile') },
        ]}
      />
      <SaveDialog open={what === 'queries'} onOpenChange={(open) => !open && setWhat(null)} title="Save the query" kind="queries" suggestion={name} body={() => ({ query })} />
      <SaveDialog open={what === 'hunting'} onOpenChange={(open) => !open && setWhat(null)} title="Save as a hunting query" kind="hunting" suggestion="" withDescription body={(given, description) => ({ name: given, description, query, tactics: [], relevantTechniques: [] })} />
      <Dialog open={what === 'tile'} onOpenChange={(open) => !open && setWhat(null)} title="Put it into a workbook">
        {what === 'tile' && <Tile query={query} onDone={() => setWhat(null)} />}
      </Dialog>
    </>
  );
}

function Tile({ query, onDone }: { query: string; onDone: () => void }) {
  const { data } = useQuery(libraryQuery('workbooks'));
  const keep = useKeep('workbooks');
  const mayShare = useMay('Contributor');
  const own = (data ?? []).filter((item) => (item.shared ? mayShare : true));
  const [chosen, setChosen] = useState('');
  const [title, setTitle] = useState('');
  const target = own.find((item) => item.id === (chosen === '' ? own[0]?.id : chosen));
  return (
    <form
      className="column"
      onSubmit={(event) => {
        event.preventDefault();
        if (target === undefined) return;
        const workbook = readWorkbook(target.body);
        keep.mutate(
          { id: target.id, name: target.name, shared: target.shared, basedOn: target.updatedAt ?? undefined, body: writeWorkbook({ ...workbook, name: target.name, parts: [...workbook.parts, { kind: 'query', title, query, width: 6, height: 280 }] }) },
          {
            onSuccess: () => {
              notify(`${title} is in ${target.name}`);
              onDone();
            },
            onError: notifyError,
          },
        );
      }}
    >
      <label className="field">
        <span className="label">Workbook</span>
        <select className="select" value={target?.id ?? ''} onChange={(event) => setChosen(event.target.value)}>
          {own.map((item) => (
            <option key={item.id} value={item.id}>
              {item.name}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span className="label">Title</span>
        <input className="input" required value={title} onChange={(event) => setTitle(event.target.value)} />
      </label>
      <div className="row end">
        <button type="submit" className="button primary" disabled={keep.isPending || target === undefined}>
          Put it there
        </button>
      </div>
    </form>
  );
}
