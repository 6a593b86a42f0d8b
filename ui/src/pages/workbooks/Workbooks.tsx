// All workbooks, by category.
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { FileInput, LibraryBig, Plus, Search } from 'lucide-react';
import { useRef, useState } from 'react';
import { idOf, libraryQuery, useKeep } from '../../api/library';
import { notify, notifyError } from '../../components/toast';
import { Dialog, Empty, ErrorNotice, Skeleton } from '../../components/ui';
import { useKeys, useTitle } from '../../lib/hooks';
import { useMay } from '../../lib/session';
import { fromAzure, readWorkbook, writeWorkbook, type Workbook } from '../../lib/workbook';

const ORDER = ['Kubernetes', 'Security', 'Operations'];

export function Workbooks() {
  useTitle('Workbooks');
  const search = useSearch({ from: '/app/workbooks' });
  const navigate = useNavigate({ from: '/workbooks' });
  const { data, error, isPending, refetch } = useQuery(libraryQuery('workbooks'));
  const [making, setMaking] = useState<'new' | 'import' | null>(null);
  const field = useRef<HTMLInputElement>(null);
  useKeys({ '/': () => field.current?.focus() });
  const words = (search.search ?? '').toLowerCase();
  const shown = (data ?? []).filter((item) => `${item.name} ${item.description}`.toLowerCase().includes(words));
  const category = (body: unknown): string => String((body as { category?: unknown } | null)?.category ?? 'Other');
  const groups = [...new Set(shown.map((item) => category(item.body)))].sort((a, b) => (ORDER.indexOf(a) + 99) % 99 - ((ORDER.indexOf(b) + 99) % 99) || a.localeCompare(b));
  return (
    <>
      <div className="page-head">
        <h1>Workbooks</h1>
        {data && <span className="faint number">{shown.length}</span>}
        <div className="search">
          <Search className="icon" />
          <input ref={field} className="input" type="search" aria-label="Find a workbook" placeholder="Find a workbook" value={search.search ?? ''} onChange={(event) => void navigate({ search: { search: event.target.value || undefined }, replace: true })} />
        </div>
        <span className="grow" />
        <button type="button" className="button" onClick={() => setMaking('import')}>
          <FileInput className="icon small" /> Import
        </button>
        <button type="button" className="button primary" onClick={() => setMaking('new')}>
          <Plus className="icon small" /> New workbook
        </button>
      </div>
      <div className="page-scroll column" style={{ gap: 18 }}>
        {error && <ErrorNotice error={error} retry={() => void refetch()} />}
        {isPending && <Skeleton />}
        {data && shown.length === 0 && (
          <Empty icon={<LibraryBig />} title={data.length === 0 ? 'There are no workbooks' : 'No workbook is called that'}>
            <p>A workbook is a page of queries, charts and text that people read together. Make one, or import one from YAML or from an Azure workbook.</p>
          </Empty>
        )}
        {groups.map((group) => (
          <section key={group} className="column" style={{ gap: 8 }}>
            <h2>{group}</h2>
            <div className="gallery">
              {shown
                .filter((item) => category(item.body) === group)
                .map((item) => (
                  <Link key={item.id} to="/workbooks/$id" params={{ id: item.id }} search={{}} className="card">
                    <h3>
                      <LibraryBig className="icon small" style={{ color: 'var(--accent)' }} />
                      <span className="grow">{item.name}</span>
                      {item.origin !== 'shipped' && <span className="chip">{!item.shared ? 'yours' : item.origin === 'changed' ? 'changed' : 'ours'}</span>}
                    </h3>
                    <span className="about">{item.description}</span>
                  </Link>
                ))}
            </div>
          </section>
        ))}
      </div>
      <Dialog open={making !== null} onOpenChange={(open) => !open && setMaking(null)} title={making === 'import' ? 'Import a workbook' : 'New workbook'}>
        {making !== null && <Make importing={making === 'import'} taken={(data ?? []).map((item) => item.id)} />}
      </Dialog>
    </>
  );
}

function Make({ importing, taken }: { importing: boolean; taken: string[] }) {
  const navigate = useNavigate();
  const mayShare = useMay('Contributor');
  const keep = useKeep('workbooks');
  const [name, setName] = useState('');
  const [source, setSource] = useState('');
  const [shared, setShared] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (): Promise<void> => {
    let workbook: Workbook = { name, description: '', category: 'Other', parameters: [], parts: [{ kind: 'text', text: `# ${name}\n\nWhat this page shows.` }] };
    if (importing) {
      // YAML holds JSON too.
      const { parse } = await import('yaml');
      const document: unknown = parse(source);
      const azure = typeof document === 'object' && document !== null && 'items' in document;
      workbook = azure ? fromAzure(document, name) : { ...readWorkbook(document), ...(name === '' ? {} : { name }) };
    }
    const kept = await keep.mutateAsync({ id: idOf(workbook.name, taken), name: workbook.name, body: writeWorkbook(workbook), shared });
    notify('The workbook is kept');
    void navigate({ to: '/workbooks/$id', params: { id: kept.id }, search: { edit: 'yes' } as never });
  };
  return (
    <form
      className="column"
      onSubmit={(event) => {
        event.preventDefault();
        setError(null);
        submit().catch((reason: unknown) => {
          setError(reason);
          notifyError(reason);
        });
      }}
    >
      <label className="field">
        <span className="label">Name</span>
        <input className="input" name="name" required={!importing || source.includes('"items"')} value={name} onChange={(event) => setName(event.target.value)} />
      </label>
      {importing && (
        <label className="field">
          <span className="label">Document</span>
          <textarea className="textarea code" required value={source} onChange={(event) => setSource(event.target.value)} placeholder="YAML of a workbook, or the JSON of an Azure workbook (Notebook/1.0)" />
        </label>
      )}
      {mayShare && (
        <label className="row">
          <input type="checkbox" checked={shared} onChange={(event) => setShared(event.target.checked)} /> For everybody
        </label>
      )}
      {error !== null && <ErrorNotice error={error} />}
      <div className="row end">
        <button type="submit" className="button primary" disabled={keep.isPending}>
          {importing ? 'Import' : 'Make it'}
        </button>
      </div>
    </form>
  );
}
