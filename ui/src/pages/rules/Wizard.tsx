// A rule is written here: the query and what it would have raised stand side by side.
import { useQueries, useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { ArrowLeft, Download, Plus, Trash2 } from 'lucide-react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { stringify } from 'yaml';
import { kqlQuery, number, useScoped, type Answer } from '../../api/kql';
import { idOf } from '../../api/library';
import { ruleQuery, rulesQuery, schemaQuery } from '../../api/queries';
import type { Severity } from '../../api/types';
import { EntityIcon } from '../../components/marks';
import { Asked, Panel } from '../../components/Panel';
import { RowsTable } from '../../components/RowsTable';
import { ScopeBar } from '../../components/ScopeBar';
import { TimeChart } from '../../components/TimeChart';
import { CopyButton, Skeleton, Warning } from '../../components/ui';
import { QueryEditor, type EditorHandle } from '../../editor/QueryEditor';
import { tacticName } from '../../lib/attack';
import { download } from '../../lib/export';
import { SEVERITIES } from '../../lib/filters';
import { useTitle } from '../../lib/hooks';
import { bare } from '../../lib/hunting';
import { TACTICS } from '../../lib/matrices';
import { ENTITY_TYPES, NEW_RULE, OPERATORS, difference, documentOf, draftOf, missing, preview, seconds, simulate, suggestMappings, type Operator, type RuleDraft } from '../../lib/rule';
import { binFor, binSeconds, rangeEnds, rangeSeconds, useScope } from '../../lib/scope';
import { DEFAULT_RANGE } from '../../lib/time';
import { Keep } from './Keep';

const STEPS = ['Query', 'Alerts', 'About', 'Keep'] as const;
type Step = (typeof STEPS)[number];

export function Wizard() {
  const search = useSearch({ from: '/app/rules/new' });
  const { data: from } = useQuery({ ...ruleQuery(search.from ?? ''), enabled: search.from !== undefined });
  useTitle('New rule');
  if (search.from !== undefined && from === undefined) return <Skeleton />;
  const begin: RuleDraft = from === undefined ? { ...NEW_RULE, query: search.q ?? '', name: search.name ?? '' } : draftOf(from);
  return <Write key={search.from ?? ''} begin={begin} isCopy={from !== undefined} />;
}

function Write({ begin, isCopy }: { begin: RuleDraft; isCopy: boolean }) {
  const [draft, setDraft] = useState(begin);
  const [step, setStep] = useState<Step>('Query');
  // What is asked is the query of the last run, not every letter.
  const [asked, setAsked] = useState(begin.query);
  const { data: schema } = useQuery(schemaQuery);
  const { data: rules } = useQuery(rulesQuery);
  const editor = useRef<EditorHandle>(null);
  const set = (change: Partial<RuleDraft>): void => setDraft((before) => ({ ...before, ...change }));
  const rows = useScopedAnswer(asked === '' ? null : `${bare(asked)}\n| take 50`);
  const id = draft.id === '' ? idOf(draft.name, (rules ?? []).map((rule) => rule.id)) : draft.id;
  const document = documentOf({ ...draft, id });
  const yaml = stringify(document, { lineWidth: 140 });
  const before = useMemo(() => stringify(documentOf(begin), { lineWidth: 140 }), [begin]);
  const lacks = missing(draft);
  useEffect(() => {
    if (draft.mappings.length === 0 && rows.data !== undefined && !isCopy) set({ mappings: suggestMappings(rows.data.columns) });
    // Only the first answer suggests; what somebody takes out stays out.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [rows.data?.columns.length]);

  return (
    <>
      <div className="page-head" style={{ paddingBottom: 8 }}>
        <Link to="/rules" search={{}} className="button quiet square" aria-label="Rules">
          <ArrowLeft className="icon" />
        </Link>
        <h1 className="ellipsis">{draft.name === '' ? 'New rule' : draft.name}</h1>
        <span className="grow" />
        <ScopeBar />
      </div>
      <nav className="tabs" aria-label="Steps" style={{ padding: '0 20px' }}>
        {STEPS.map((name, i) => (
          <button key={name} type="button" className="tab" aria-current={step === name ? 'step' : undefined} data-state={step === name ? 'active' : undefined} onClick={() => setStep(name)}>
            {i + 1}. {name}
          </button>
        ))}
      </nav>
      <div className="wizard">
        <div className="wizard-form">
          {step === 'Query' && (
            <>
              <div className="card wizard-editor">
                <QueryEditor ref={editor} id="rule" value={draft.query} schema={schema} onChange={(query) => set({ query })} onRun={() => setAsked(draft.query)} onStop={() => undefined} failed={[]} />
              </div>
              <div className="row">
                <button type="button" className="button primary" disabled={draft.query.trim() === ''} onClick={() => setAsked(draft.query)}>
                  Simulate
                </button>
                <span className="faint">
                  <kbd>Shift</kbd> <kbd>Enter</kbd>
                </span>
                <span className="grow" />
                <button type="button" className="button" onClick={() => setStep('Alerts')}>
                  Next: alerts
                </button>
              </div>
              <Schedule draft={draft} set={set} />
            </>
          )}
          {step === 'Alerts' && <Alerts draft={draft} set={set} rows={rows.data} onNext={() => setStep('About')} />}
          {step === 'About' && <About draft={draft} set={set} onNext={() => setStep('Keep')} />}
          {step === 'Keep' && (
            <section className="card">
              <header>
                <h2 className="grow">The rule, in Sentinel's format</h2>
                <CopyButton text={yaml} />
                <button type="button" className="button small" onClick={() => download(`${id}.yaml`, 'application/yaml', yaml)}>
                  <Download className="icon small" /> {id}.yaml
                </button>
              </header>
              <div className="body column">
                {isCopy && before !== yaml && <Changes before={before} after={yaml} />}
                {lacks.length > 0 && <Warning>Still missing: {lacks.join(', ')}.</Warning>}
                <Keep id={id} document={document} ready={lacks.length === 0} known={(rules ?? []).some((rule) => rule.id === id)} />
                <pre className="block kql" tabIndex={0} style={{ maxHeight: 460, overflow: 'auto' }}>
                  {yaml}
                </pre>
              </div>
            </section>
          )}
        </div>
        <div className="wizard-side">
          <Simulation draft={draft} query={asked} columns={rows.data?.columns} failed={rows.error !== null} />
          <Panel title="Rows it finds" about="The first 50 of the page's range" height={240}>
            {asked === '' ? (
              <div className="panel-said muted">Write a query and simulate it.</div>
            ) : (
              <Asked data={rows.data} error={rows.error} pending={rows.isPending} retry={() => void rows.refetch()} empty="It finds nothing in this range.">
                {(answer) => <RowsTable answer={answer} />}
              </Asked>
            )}
          </Panel>
        </div>
      </div>
    </>
  );
}

function useScopedAnswer(query: string | null) {
  const { timespan } = useScope();
  const scoped = useScoped(query);
  return useQuery({ ...kqlQuery(scoped ?? '', timespan), enabled: scoped !== undefined, retry: false });
}

/** What differs from the version that there is; long stretches that stay are left out. */
function Changes({ before, after }: { before: string; after: string }) {
  const lines = difference(before, after);
  const near = (at: number): boolean => lines.slice(Math.max(0, at - 2), at + 3).some((line) => line.kind !== 'same');
  return (
    <div className="column" style={{ gap: 6 }}>
      <h3>What changes</h3>
      <div className="diff block" tabIndex={0} role="region" aria-label="What changes">
        {lines.map((line, i) =>
          near(i) ? (
            <div key={i} data-kind={line.kind}>
              {line.kind === 'added' ? '+ ' : line.kind === 'removed' ? '− ' : '  '}
              {line.text}
            </div>
          ) : near(i - 1) ? (
            <div key={i} className="faint">
              …
            </div>
          ) : null,
        )}
      </div>
    </div>
  );
}

/** At most so many windows are asked one by one. */
const WINDOWS = 24;

function Simulation({ draft, query, columns, failed }: { draft: RuleDraft; query: string; columns: Answer['columns'] | undefined; failed: boolean }) {
  const { range } = useScope();
  const given = rangeEnds(range) === undefined ? DEFAULT_RANGE : range;
  const every = draft.kind === 'NRT' ? 0 : seconds(draft.frequency);
  const bin = binFor(given, 120);
  // Windows of a schedule need bins that fit into them.
  const step = every > 0 ? Math.max(every, Math.ceil(rangeSeconds(given) / 2000 / every) * every) : binSeconds(bin);
  const hasTime = columns?.some((column) => column.name === 'TimeGenerated' && column.type === 'datetime') ?? false;
  const ends = useMemo(() => {
    const found = rangeEnds(given, Math.ceil(Date.now() / (step * 1000)) * step * 1000);
    return found ?? [Date.now() - 86_400_000, Date.now()];
    // The end is the one of the moment it was asked.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [query, step, JSON.stringify(given)]) as [number, number];
  const counted = useScopedAnswer(query === '' || !hasTime ? null : `${bare(query)}\n| summarize Rows = count() by TimeGenerated = bin(TimeGenerated, ${step}s)\n| sort by TimeGenerated asc`);
  // A query that gives no time is asked once for each window, the latest ones.
  const aggregated = columns !== undefined && !hasTime && query !== '';
  const scoped = useScoped(query === '' ? null : `${bare(query)}\n| count`);
  const period = draft.kind === 'NRT' ? step : seconds(draft.period);
  const windows = Array.from({ length: aggregated ? WINDOWS : 0 }, (_, i) => ends[1] - (WINDOWS - 1 - i) * step * 1000);
  const single = useQueries({
    queries: windows.map((end) => ({ ...kqlQuery(scoped ?? '', `${new Date(end - period * 1000).toISOString()}/${new Date(end).toISOString()}`), enabled: scoped !== undefined, retry: false })),
  });
  const raised = aggregated
    ? single.map((answer, i) => {
        const rows = number(answer.data?.rows[0]?.[0]);
        const speaks = answer.data !== undefined && (draft.kind === 'NRT' ? rows > 0 : { gt: rows > draft.threshold, lt: rows < draft.threshold, eq: rows === draft.threshold, ne: rows !== draft.threshold }[draft.operator]);
        return { at: windows[i] as number, rows, alerts: speaks ? (draft.perResult ? Math.max(1, rows) : 1) : 0 };
      })
    : counted.data === undefined
      ? []
      : simulate(draft, counted.data.rows.map((row) => [Date.parse(String(row[0])), number(row[1])]), step, ends);
  const alerts = raised.reduce((sum, one) => sum + one.alerts, 0);
  const days = Math.max((ends[1] - ends[0]) / 86_400_000, 1 / 24);
  const pending = columns === undefined ? !failed : aggregated ? single.some((answer) => answer.isPending) : hasTime && counted.isPending;
  const error = aggregated ? (single.find((answer) => answer.error !== null)?.error ?? null) : counted.error;
  const answer: Answer = {
    columns: [
      { name: 'TimeGenerated', type: 'datetime' },
      { name: 'Series', type: 'string' },
      { name: 'Count', type: 'long' },
    ],
    // Where each row is an alert, the rows say nothing more.
    rows: raised.flatMap((one) => [...(one.rows > 0 && !(draft.kind === 'NRT' && draft.perResult) ? [[new Date(one.at).toISOString(), 'Rows', one.rows]] : []), ...(one.alerts > 0 ? [[new Date(one.at).toISOString(), 'Alerts', one.alerts]] : [])]),
    answer: { tables: [] },
    took: 0,
  };
  return (
    <Panel
      title="What it would have raised"
      about={aggregated ? `The last ${WINDOWS} windows, each asked by itself` : draft.kind === 'NRT' ? 'Rows as they arrived, an alert where one is raised' : `Every ${draft.frequency} over the last ${draft.period}, when rows are ${OPERATORS[draft.operator]} ${draft.threshold}`}
      height={210}
      actions={
        query !== '' && !pending && !failed && error === null ? (
          <span className="number" role="status" data-testid="simulated">
            <b>{alerts.toLocaleString('en-US')}</b> {alerts === 1 ? 'alert' : 'alerts'}
            {!aggregated && days >= 1 && <span className="faint"> · {(alerts / days).toLocaleString('en-US', { maximumFractionDigits: 1 })} a day</span>}
          </span>
        ) : undefined
      }
    >
      {failed ? (
        <div className="panel-said muted">The query does not run: what is wrong is said below.</div>
      ) : query === '' ? (
        <div className="panel-said muted">The course of rows and alerts over the range appears here.</div>
      ) : (
        <Asked data={pending ? undefined : answer} error={error} pending={pending} empty="It would have raised nothing in this range.">
          {(found) => <TimeChart answer={found} bars />}
        </Asked>
      )}
    </Panel>
  );
}

interface Part {
  draft: RuleDraft;
  set: (change: Partial<RuleDraft>) => void;
}

function Schedule({ draft, set }: Part) {
  return (
    <section className="card">
      <header>
        <h2>When it is asked</h2>
      </header>
      <div className="body column">
        <div className="choice" role="radiogroup" aria-label="Kind">
          <label>
            <input type="radio" name="kind" checked={draft.kind === 'NRT'} onChange={() => set({ kind: 'NRT' })} />
            <span>
              <b>As events arrive</b>
              <br />
              <span className="muted">Over each batch as it becomes durable: seconds after the event. For conditions on single rows.</span>
            </span>
          </label>
          <label>
            <input type="radio" name="kind" checked={draft.kind === 'Scheduled'} onChange={() => set({ kind: 'Scheduled', perResult: false })} />
            <span>
              <b>On a schedule</b>
              <br />
              <span className="muted">Over windows of time. For counts, joins and what has to be seen together.</span>
            </span>
          </label>
        </div>
        {draft.kind === 'Scheduled' && (
          <div className="form-grid">
            <label className="field">
              <span className="label">Every</span>
              <input className="input" value={draft.frequency} onChange={(event) => set({ frequency: event.target.value })} />
            </label>
            <label className="field">
              <span className="label">Over the last</span>
              <input className="input" value={draft.period} onChange={(event) => set({ period: event.target.value })} />
            </label>
            <label className="field">
              <span className="label">Speaks when rows are</span>
              <select className="select" value={draft.operator} onChange={(event) => set({ operator: event.target.value as Operator })}>
                {Object.entries(OPERATORS).map(([operator, words]) => (
                  <option key={operator} value={operator}>
                    {words}
                  </option>
                ))}
              </select>
            </label>
            <label className="field">
              <span className="label">Threshold</span>
              <input className="input" type="number" min={0} value={draft.threshold} onChange={(event) => set({ threshold: Math.max(0, Number(event.target.value)) })} />
            </label>
          </div>
        )}
      </div>
    </section>
  );
}

function Alerts({ draft, set, rows, onNext }: Part & { rows: Answer | undefined; onNext: () => void }) {
  const columns = rows?.columns ?? [];
  const change = (at: number, mapping: RuleDraft['mappings'][number]): void => set({ mappings: draft.mappings.map((one, i) => (i === at ? mapping : one)) });
  const first = rows?.rows[0];
  const shown = first === undefined ? [] : preview(draft.mappings, columns, first);
  return (
    <>
      <section className="card">
        <header>
          <h2 className="grow">Entities it names</h2>
          <button type="button" className="button small" onClick={() => set({ mappings: [...draft.mappings, { entityType: 'Account', fieldMappings: [{ identifier: 'FullName', columnName: columns[0]?.name ?? '' }] }] })}>
            <Plus className="icon small" /> Entity
          </button>
        </header>
        <div className="body column">
          {draft.mappings.length === 0 && <p className="muted">Without entities an alert stands alone: no graph, no pages, no grouping. Simulate the query, then say which columns name whom.</p>}
          {draft.mappings.map((mapping, i) => (
            <div key={i} className="mapping">
              <select className="select" aria-label="Entity" value={mapping.entityType} onChange={(event) => change(i, { entityType: event.target.value, fieldMappings: (ENTITY_TYPES[event.target.value] ?? []).slice(0, 1).map((identifier) => ({ identifier, columnName: mapping.fieldMappings[0]?.columnName ?? '' })) })}>
                {Object.keys(ENTITY_TYPES).map((type) => (
                  <option key={type}>{type}</option>
                ))}
              </select>
              <div className="column" style={{ gap: 6 }}>
                {(ENTITY_TYPES[mapping.entityType] ?? []).map((identifier) => {
                  const field = mapping.fieldMappings.find((one) => one.identifier === identifier);
                  return (
                    <label key={identifier} className="row">
                      <span className="faint" style={{ width: 80 }}>
                        {identifier}
                      </span>
                      <select
                        className="select grow"
                        aria-label={`Column for ${identifier}`}
                        value={field?.columnName ?? ''}
                        onChange={(event) => {
                          const others = mapping.fieldMappings.filter((one) => one.identifier !== identifier);
                          change(i, { ...mapping, fieldMappings: event.target.value === '' ? others : [...others, { identifier, columnName: event.target.value }] });
                        }}
                      >
                        <option value="">–</option>
                        {[...new Set([...columns.map((column) => column.name), ...(field === undefined ? [] : [field.columnName])])].map((name) => (
                          <option key={name}>{name}</option>
                        ))}
                      </select>
                    </label>
                  );
                })}
              </div>
              <button type="button" className="button quiet small square" aria-label={`Take out ${mapping.entityType}`} onClick={() => set({ mappings: draft.mappings.filter((_, at) => at !== i) })}>
                <Trash2 className="icon small" />
              </button>
            </div>
          ))}
          {shown.length > 0 && (
            <div className="chips" aria-label="Entities of the first row">
              <span className="faint">Of the first row:</span>
              {shown.map((entity, i) => (
                <span key={i} className="chip">
                  <EntityIcon type={entity.type} /> {entity.name}
                </span>
              ))}
            </div>
          )}
        </div>
      </section>
      <section className="card">
        <header>
          <h2>From rows to incidents</h2>
        </header>
        <div className="body column">
          <label className="field">
            <span className="label">Alerts</span>
            <select className="select" value={draft.perResult ? 'row' : 'run'} onChange={(event) => set({ perResult: event.target.value === 'row' })}>
              <option value="row">One alert for each row</option>
              <option value="run">One alert for all rows of a run</option>
            </select>
          </label>
          <label className="row">
            <input type="checkbox" checked={draft.createIncident} onChange={(event) => set({ createIncident: event.target.checked })} /> Alerts open incidents
          </label>
          {draft.createIncident && (
            <div className="form-grid">
              <label className="field">
                <span className="label">Alerts are one incident when they</span>
                <select className="select" value={draft.grouping} onChange={(event) => set({ grouping: event.target.value as RuleDraft['grouping'] })}>
                  <option value="entities">have the same entities</option>
                  <option value="all">come from this rule</option>
                  <option value="none">never: each is its own</option>
                </select>
              </label>
              {draft.grouping !== 'none' && (
                <label className="field">
                  <span className="label">Within</span>
                  <input className="input" value={draft.lookback} onChange={(event) => set({ lookback: event.target.value })} />
                </label>
              )}
            </div>
          )}
          <div className="row end">
            <button type="button" className="button" onClick={onNext}>
              Next: about it
            </button>
          </div>
        </div>
      </section>
    </>
  );
}

function About({ draft, set, onNext }: Part & { onNext: () => void }) {
  return (
    <section className="card">
      <header>
        <h2>About it</h2>
      </header>
      <div className="body column">
        <label className="field">
          <span className="label">Name, as somebody on call understands it</span>
          <input className="input" name="name" maxLength={200} value={draft.name} onChange={(event) => set({ name: event.target.value })} />
        </label>
        <label className="field">
          <span className="label">Why it matters, what to check, what is known to be harmless (Markdown)</span>
          <textarea className="textarea" name="description" style={{ minHeight: 120 }} value={draft.description} onChange={(event) => set({ description: event.target.value })} />
        </label>
        <div className="form-grid">
          <label className="field">
            <span className="label">Severity</span>
            <select className="select" value={draft.severity} onChange={(event) => set({ severity: event.target.value as Severity })}>
              {SEVERITIES.map((severity) => (
                <option key={severity}>{severity}</option>
              ))}
            </select>
          </label>
          <label className="field">
            <span className="label">Techniques</span>
            <input className="input" placeholder="T1609, T1552.007" defaultValue={draft.techniques.join(', ')} onBlur={(event) => set({ techniques: event.target.value.toUpperCase().split(/[,\s]+/).filter((t) => /^T\d{4}(\.\d{3})?$/.test(t)) })} />
          </label>
        </div>
        <fieldset className="field">
          <legend className="label">Tactics</legend>
          <div className="chips">
            {TACTICS.map((tactic) => (
              <button key={tactic} type="button" className="chip" aria-pressed={draft.tactics.includes(tactic)} onClick={() => set({ tactics: draft.tactics.includes(tactic) ? draft.tactics.filter((t) => t !== tactic) : [...draft.tactics, tactic] })}>
                {tacticName(tactic)}
              </button>
            ))}
          </div>
        </fieldset>
        <label className="field">
          <span className="label">What to do when it speaks, a step a line</span>
          <textarea className="textarea" defaultValue={draft.response.join('\n')} onBlur={(event) => set({ response: event.target.value.split('\n').map((line) => line.trim()).filter((line) => line !== '') })} />
        </label>
        <div className="row end">
          <button type="button" className="button" onClick={onNext}>
            Next: keep it
          </button>
        </div>
      </div>
    </section>
  );
}
