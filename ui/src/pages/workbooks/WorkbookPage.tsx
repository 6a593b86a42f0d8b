// One workbook: read with its parameters in the address, and edited in place.
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { ArrowDown, ArrowLeft, ArrowUp, Check, Copy, FileCode, Pencil, Plus, RotateCcw, Save, Trash2, X } from 'lucide-react';
import { useEffect, useMemo, useState } from 'react';
import { kqlQuery, text, useKql } from '../../api/kql';
import { idOf, libraryQuery, useDiscard, useKeep } from '../../api/library';
import type { LibraryItem } from '../../api/types';
import { Asked, OpenInLogs, Panel } from '../../components/Panel';
import { ScopeBar } from '../../components/ScopeBar';
import { NotFound } from '../../components/Shell';
import { notify, notifyError } from '../../components/toast';
import { Chevron, Dialog, ErrorNotice, Menu, Popover, Skeleton, Tip } from '../../components/ui';
import { Visual } from '../../components/Visual';
import { useTitle } from '../../lib/hooks';
import { Markdown } from '../../lib/markdown';
import { useScope } from '../../lib/scope';
import { useMay } from '../../lib/session';
import { VISUALS, VISUAL_NAMES, type VisualKind } from '../../lib/visuals';
import { chosen, readWorkbook, withParameters, writeWorkbook, type Chosen, type Parameter, type Part, type QueryPart, type TextPart, type Workbook } from '../../lib/workbook';

export function WorkbookPage() {
  const { id } = useParams({ from: '/app/workbooks/$id' });
  const { data, error, isPending, refetch } = useQuery(libraryQuery('workbooks'));
  const item = data?.find((one) => one.id === id);
  if (error && data === undefined) {
    return (
      <div style={{ padding: 24 }}>
        <ErrorNotice error={error} retry={() => void refetch()} />
      </div>
    );
  }
  if (isPending) return <Skeleton lines={10} />;
  if (item === undefined) return <NotFound />;
  return <Document key={`${item.id} ${item.updatedAt ?? ''}`} item={item} taken={(data ?? []).map((one) => one.id)} />;
}

function Document({ item, taken }: { item: LibraryItem; taken: string[] }) {
  useTitle(item.name);
  const search = useSearch({ from: '/app/workbooks/$id' });
  const navigate = useNavigate({ from: '/workbooks/$id' });
  const mayShare = useMay('Contributor');
  const keep = useKeep('workbooks');
  const discard = useDiscard('workbooks');
  const [read, problem] = useMemo(() => {
    try {
      return [{ ...readWorkbook(item.body), name: item.name }, null] as const;
    } catch (reason) {
      return [null, reason] as const;
    }
  }, [item]);
  const [draft, setDraft] = useState<Workbook | null>(null);
  const [source, setSource] = useState(false);
  const editing = search.edit === 'yes';
  const workbook = editing ? (draft ?? read) : read;
  const changed = draft !== null;
  // Leaving with changes asks first.
  useEffect(() => {
    if (!changed) return undefined;
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [changed]);

  if (workbook === null) {
    return (
      <div style={{ padding: 24 }} className="column measure">
        <Link to="/workbooks" search={{}} className="row">
          <ArrowLeft className="icon small" /> Workbooks
        </Link>
        <h1>{item.name}</h1>
        <ErrorNotice error={problem} />
      </div>
    );
  }
  const setEdit = (on: boolean): void => void navigate({ search: ((before: Record<string, unknown>) => ({ ...before, edit: on ? 'yes' : undefined })) as never, replace: true });
  const values = chosen(workbook.parameters, search);
  const choose = (name: string, next: string[]): void => void navigate({ search: ((before: Record<string, unknown>) => ({ ...before, [`p-${name}`]: next.length === 0 ? undefined : next })) as never, replace: true });
  const mayOverwrite = item.shared ? mayShare : true;
  const save = (copy: boolean): void => {
    const target = copy ? { id: idOf(workbook.name, taken), shared: false } : { id: item.id, shared: item.shared, basedOn: item.updatedAt ?? undefined };
    keep.mutate(
      { ...target, name: workbook.name, body: writeWorkbook(workbook) },
      {
        onSuccess: (kept) => {
          setDraft(null);
          notify(copy ? 'A copy is kept for you' : 'The workbook is kept');
          if (kept.id === item.id) setEdit(false);
          else void navigate({ to: '/workbooks/$id', params: { id: kept.id }, search: {} as never });
        },
        onError: notifyError,
      },
    );
  };

  return (
    <>
      <div className="page-head">
        <Link to="/workbooks" search={{}} className="button quiet square" aria-label="All workbooks">
          <ArrowLeft className="icon" />
        </Link>
        {editing ? (
          <input className="input" style={{ maxWidth: 320, fontWeight: 600 }} aria-label="Name" value={workbook.name} onChange={(event) => setDraft({ ...workbook, name: event.target.value })} />
        ) : (
          <h1>{workbook.name}</h1>
        )}
        <Parameters parameters={workbook.parameters} values={values} onChoose={choose} />
        <span className="grow" />
        {editing ? (
          <>
            <button type="button" className="button quiet" onClick={() => setSource(true)}>
              <FileCode className="icon small" /> YAML
            </button>
            <button type="button" className="button" onClick={() => save(true)} disabled={keep.isPending}>
              <Copy className="icon small" /> Keep a copy
            </button>
            {mayOverwrite && (
              <button type="button" className="button primary" onClick={() => save(false)} disabled={!changed || keep.isPending}>
                <Save className="icon small" /> Keep
              </button>
            )}
            <button
              type="button"
              className="button quiet"
              onClick={() => {
                setDraft(null);
                setEdit(false);
              }}
            >
              <X className="icon small" /> {changed ? 'Discard' : 'Done'}
            </button>
          </>
        ) : (
          <>
            <ScopeBar />
            <Menu
              align="end"
              trigger={
                <button type="button" className="button">
                  Document <Chevron />
                </button>
              }
              items={[
                { key: 'edit', label: 'Edit', icon: <Pencil className="icon small" />, onSelect: () => setEdit(true) },
                { key: 'yaml', label: 'Show as YAML', icon: <FileCode className="icon small" />, onSelect: () => setSource(true) },
                { key: 'copy', label: 'Keep a copy for yourself', icon: <Copy className="icon small" />, onSelect: () => save(true) },
                ...(item.origin !== 'shipped' && mayOverwrite
                  ? [
                      'line' as const,
                      {
                        key: 'away',
                        label: item.origin === 'changed' ? 'Take back to what was shipped' : 'Remove',
                        icon: item.origin === 'changed' ? <RotateCcw className="icon small" /> : <Trash2 className="icon small" />,
                        onSelect: () =>
                          discard.mutate(item.id, {
                            onSuccess: () => {
                              notify(item.origin === 'changed' ? 'It is again as it was shipped' : 'The workbook is gone');
                              if (item.origin !== 'changed') void navigate({ to: '/workbooks', search: {} });
                            },
                            onError: notifyError,
                          }),
                      },
                    ]
                  : []),
              ]}
            />
          </>
        )}
      </div>
      <div className="page-scroll">
        <div className="workbook">
          {workbook.description !== '' && !editing && <p className="muted">{workbook.description}</p>}
          {editing && <textarea className="textarea" style={{ minHeight: 40 }} aria-label="Description" placeholder="What it is for" value={workbook.description} onChange={(event) => setDraft({ ...workbook, description: event.target.value })} />}
          <Parts
            parts={workbook.parts}
            parameters={workbook.parameters}
            values={values}
            onChange={editing ? (parts) => setDraft({ ...workbook, parts }) : undefined}
            tab={search.tab}
            onTab={(tab) => void navigate({ search: ((before: Record<string, unknown>) => ({ ...before, tab })) as never, replace: true })}
          />
        </div>
      </div>
      <Dialog open={source} onOpenChange={setSource} title="The document" className="wide" description="As it is kept under content/workbooks: for review, and for other installations.">
        {source && (
          <Source
            workbook={workbook}
            onApply={
              editing
                ? (next) => {
                    setDraft(next);
                    setSource(false);
                  }
                : undefined
            }
          />
        )}
      </Dialog>
    </>
  );
}

function Source({ workbook, onApply }: { workbook: Workbook; onApply?: (workbook: Workbook) => void }) {
  const [yaml, setYaml] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    void import('yaml').then(({ stringify }) => setYaml(stringify(writeWorkbook(workbook), { lineWidth: 0, blockQuote: 'literal' })));
  }, [workbook]);
  if (yaml === null) return <span className="spinner" />;
  return (
    <div className="column">
      <textarea className="textarea code" style={{ minHeight: 380 }} aria-label="YAML" readOnly={onApply === undefined} value={yaml} onChange={(event) => setYaml(event.target.value)} />
      {error !== null && <ErrorNotice error={error} />}
      <div className="row end">
        <button type="button" className="button" onClick={() => void navigator.clipboard?.writeText(yaml).then(() => notify('Copied'))}>
          <Copy className="icon small" /> Copy
        </button>
        {onApply && (
          <button
            type="button"
            className="button primary"
            onClick={() =>
              void import('yaml')
                .then(({ parse }) => onApply(readWorkbook(parse(yaml))))
                .catch(setError)
            }
          >
            Use it
          </button>
        )}
      </div>
    </div>
  );
}

function Parameters({ parameters, values, onChoose }: { parameters: Parameter[]; values: Chosen; onChoose: (name: string, values: string[]) => void }) {
  if (parameters.length === 0) return null;
  return (
    <div className="parameters" role="group" aria-label="Parameters">
      {parameters.map((parameter) =>
        parameter.kind === 'text' ? (
          <input key={parameter.name} className="input" style={{ width: 170 }} aria-label={parameter.label} placeholder={parameter.label} defaultValue={values[parameter.name]?.[0] ?? ''} onBlur={(event) => onChoose(parameter.name, [event.target.value.trim()].filter((v) => v !== ''))} onKeyDown={(event) => event.key === 'Enter' && event.currentTarget.blur()} />
        ) : (
          <Choices key={parameter.name} parameter={parameter} value={values[parameter.name] ?? []} onChoose={(next) => onChoose(parameter.name, next)} />
        ),
      )}
    </div>
  );
}

function Choices({ parameter, value, onChoose }: { parameter: Parameter; value: string[]; onChoose: (values: string[]) => void }) {
  const [find, setFind] = useState('');
  const { bin } = useScope();
  const asked = useKql(parameter.query === undefined ? null : withParameters(parameter.query, [], {}, bin));
  const options = [...new Set([...(parameter.options ?? []), ...(asked.data?.rows ?? []).map((row) => text(row[0])), ...value])].filter((option) => option !== '');
  const many = parameter.kind === 'choices';
  return (
    <Popover
      label={parameter.label}
      trigger={
        <button type="button" className="button" aria-pressed={value.length > 0}>
          <span className="muted">{parameter.label}</span>{' '}
          <span className="ellipsis" style={{ maxWidth: 160 }}>
            {value.length === 0 ? 'all' : value.join(', ')}
          </span>
          <Chevron />
        </button>
      }
    >
      <div className="column" style={{ width: 250, gap: 8 }}>
        <input className="input" type="search" placeholder="Find" aria-label={`Find among ${parameter.label}`} value={find} onChange={(event) => setFind(event.target.value)} />
        <div className="options" style={{ maxHeight: 320, overflow: 'auto' }}>
          <button type="button" className="item" aria-pressed={value.length === 0} onClick={() => onChoose([])}>
            <span className="grow">All</span>
            {value.length === 0 && <Check className="icon small" />}
          </button>
          {options
            .filter((option) => option.toLowerCase().includes(find.toLowerCase()))
            .slice(0, 200)
            .map((option) => {
              const on = value.includes(option);
              return (
                <button key={option} type="button" className="item" aria-pressed={on} onClick={() => onChoose(!many ? [option] : on ? value.filter((v) => v !== option) : [...value, option])}>
                  <span className="grow ellipsis">{option}</span>
                  {on && <Check className="icon small" />}
                </button>
              );
            })}
        </div>
      </div>
    </Popover>
  );
}

interface PartsProps {
  parts: Part[];
  parameters: Parameter[];
  values: Chosen;
  onChange?: (parts: Part[]) => void;
  tab?: string;
  onTab: (tab: string) => void;
}

function Parts({ parts, parameters, values, onChange, tab, onTab }: PartsProps) {
  const [open, setOpen] = useState<number | null>(null);
  const put = (at: number, part: Part | null): void => onChange?.(part === null ? parts.filter((_, i) => i !== at) : parts.map((old, i) => (i === at ? part : old)));
  const move = (at: number, by: number): void => {
    const next = [...parts];
    const [taken] = next.splice(at, 1);
    if (taken) next.splice(at + by, 0, taken);
    onChange?.(next);
  };
  const add = (part: Part): void => {
    onChange?.([...parts, part]);
    setOpen(parts.length);
  };
  return (
    <div className="panels">
      {parts.map((part, i) => (
        <div key={i} className="part" data-editing={onChange !== undefined} style={{ '--span': part.kind === 'query' ? (part.width ?? 12) : 12 } as React.CSSProperties}>
          {onChange && (
            <div className="part-tools">
              <Tip text="Before the one before">
                <button type="button" className="button quiet small square" aria-label="Move up" disabled={i === 0} onClick={() => move(i, -1)}>
                  <ArrowUp className="icon small" />
                </button>
              </Tip>
              <Tip text="After the next one">
                <button type="button" className="button quiet small square" aria-label="Move down" disabled={i === parts.length - 1} onClick={() => move(i, 1)}>
                  <ArrowDown className="icon small" />
                </button>
              </Tip>
              {part.kind !== 'tabs' && (
                <button type="button" className="button small" onClick={() => setOpen(i)}>
                  <Pencil className="icon small" /> Edit
                </button>
              )}
              <button type="button" className="button quiet small square" aria-label="Remove" onClick={() => put(i, null)}>
                <Trash2 className="icon small" />
              </button>
            </div>
          )}
          {part.kind === 'text' && (
            <div className="prose">
              <Markdown text={part.text} />
            </div>
          )}
          {part.kind === 'query' && <Query part={part} parameters={parameters} values={values} />}
          {part.kind === 'tabs' && (
            <div className="column">
              <div className="tabs" role="group" aria-label="Tabs">
                {part.tabs.map((one, j) => (
                  <button key={one.name} type="button" className="tab" aria-current={(tab ?? part.tabs[0]?.name) === one.name ? 'page' : undefined} onClick={() => onTab(one.name)}>
                    {one.name || j + 1}
                  </button>
                ))}
              </div>
              {part.tabs
                .filter((one) => one.name === (part.tabs.some((t) => t.name === tab) ? tab : part.tabs[0]?.name))
                .map((one) => (
                  <Parts
                    key={one.name}
                    parts={one.parts}
                    parameters={parameters}
                    values={values}
                    tab={tab}
                    onTab={onTab}
                    onChange={onChange && ((inside) => put(i, { ...part, tabs: part.tabs.map((t) => (t === one ? { ...t, parts: inside } : t)) }))}
                  />
                ))}
            </div>
          )}
        </div>
      ))}
      {onChange && (
        <div className="row" style={{ justifyContent: 'center', padding: 10 }}>
          <button type="button" className="button" onClick={() => add({ kind: 'text', text: '' })}>
            <Plus className="icon small" /> Text
          </button>
          <button type="button" className="button" onClick={() => add({ kind: 'query', title: 'Requests by verb', query: 'KubernetesAudit\n| summarize Requests = count() by bin(TimeGenerated, Bin), Verb', visual: 'timebars', width: 6, height: 240 })}>
            <Plus className="icon small" /> Query
          </button>
        </div>
      )}
      <Dialog open={open !== null && parts[open] !== undefined} onOpenChange={(on) => !on && setOpen(null)} title="Part of the workbook" className="wide">
        {open !== null && parts[open] !== undefined && parts[open].kind !== 'tabs' && (
          <PartForm
            part={parts[open]}
            parameters={parameters}
            onDone={(part) => {
              put(open, part);
              setOpen(null);
            }}
          />
        )}
      </Dialog>
    </div>
  );
}

function Query({ part, parameters, values }: { part: QueryPart; parameters: Parameter[]; values: Chosen }) {
  const { bin } = useScope();
  const query = withParameters(part.query, parameters, values, bin);
  const { data, error, isPending, refetch } = useKql(part.query === '' ? null : query);
  const low = part.visual === 'tiles' || part.visual === 'text';
  return (
    <Panel title={part.title} about={part.about} height={part.height ?? (low ? undefined : 280)} actions={<OpenInLogs query={query} />}>
      <Asked data={data} error={error} pending={isPending} retry={() => void refetch()} empty={part.empty}>
        {(answer) => <Visual answer={answer} kind={part.visual} />}
      </Asked>
    </Panel>
  );
}

function PartForm({ part, parameters, onDone }: { part: TextPart | QueryPart; parameters: Parameter[]; onDone: (part: Part) => void }) {
  const [draft, setDraft] = useState(part);
  const { timespan, bin } = useScope();
  const asked = draft.kind === 'query' ? withParameters(draft.query, parameters, chosen(parameters, {}), bin) : '';
  const trial = useQuery({ ...kqlQuery(asked, timespan), enabled: false, retry: false });
  if (draft.kind === 'text') {
    return (
      <form
        className="column"
        onSubmit={(event) => {
          event.preventDefault();
          onDone(draft);
        }}
      >
        <label className="field">
          <span className="label">Text (Markdown)</span>
          <textarea className="textarea" style={{ minHeight: 220 }} value={draft.text} onChange={(event) => setDraft({ ...draft, text: event.target.value })} />
        </label>
        <div className="row end">
          <button type="submit" className="button primary">
            Use it
          </button>
        </div>
      </form>
    );
  }
  const set = (change: Partial<QueryPart>): void => setDraft({ ...draft, ...change });
  return (
    <form
      className="column"
      onSubmit={(event) => {
        event.preventDefault();
        onDone(draft);
      }}
    >
      <label className="field">
        <span className="label">Title</span>
        <input className="input" value={draft.title} onChange={(event) => set({ title: event.target.value })} />
      </label>
      <label className="field">
        <span className="label">Query; Bin is the width of bins that fits the range{parameters.length > 0 ? `, and there are ${parameters.map((p) => p.name).join(', ')}` : ''}</span>
        <textarea className="textarea code" required value={draft.query} onChange={(event) => set({ query: event.target.value })} spellCheck={false} />
      </label>
      <div className="form-grid">
        <label className="field">
          <span className="label">Shown as</span>
          <select className="select" value={draft.visual ?? ''} onChange={(event) => set({ visual: (event.target.value || undefined) as VisualKind | undefined })}>
            <option value="">as the query's render says</option>
            {VISUALS.map((visual) => (
              <option key={visual} value={visual}>
                {VISUAL_NAMES[visual]}
              </option>
            ))}
          </select>
        </label>
        <label className="field">
          <span className="label">Width, of 12 columns</span>
          <input className="input" type="number" min={2} max={12} value={draft.width ?? 12} onChange={(event) => set({ width: Number(event.target.value) })} />
        </label>
        <label className="field">
          <span className="label">Height, pixels</span>
          <input className="input" type="number" min={80} max={1200} step={10} value={draft.height ?? 280} onChange={(event) => set({ height: Number(event.target.value) })} />
        </label>
      </div>
      {trial.error && <ErrorNotice error={trial.error} />}
      {trial.data && (
        <div className="card" style={{ height: 240, display: 'flex', flexDirection: 'column' }}>
          <Asked data={trial.data} error={null} pending={false}>
            {(answer) => <Visual answer={answer} kind={draft.visual} />}
          </Asked>
        </div>
      )}
      <div className="row end">
        <button type="button" className="button" onClick={() => void trial.refetch()}>
          Try it
        </button>
        <button type="submit" className="button primary">
          Use it
        </button>
      </div>
    </form>
  );
}
