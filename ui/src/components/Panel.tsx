// A frame with a heading, and in it the answer to a query: as a chart, a table, bars or tiles.
import { Link } from '@tanstack/react-router';
import { SquareArrowOutUpRight } from 'lucide-react';
import type { ReactNode } from 'react';
import { useKql, useScoped, type Answer } from '../api/kql';
import { Tip } from './ui';

interface Frame {
  title: ReactNode;
  /** One line below the title */
  about?: string;
  actions?: ReactNode;
  className?: string;
  /** Columns of twelve */
  span?: number;
  height?: number;
  children: ReactNode;
}

export function Panel({ title, about, actions, className, span, height, children }: Frame) {
  return (
    <section className={`card panel ${className ?? ''}`} style={span === undefined ? undefined : ({ '--span': span } as React.CSSProperties)}>
      <header>
        <div className="grow">
          <h2>{title}</h2>
          {about !== undefined && <div className="faint about">{about}</div>}
        </div>
        {actions}
      </header>
      <div className="panel-body" style={height === undefined ? undefined : { flex: `1 0 ${height}px`, overflow: 'hidden' }}>
        {children}
      </div>
    </section>
  );
}

export function OpenInLogs({ query, t }: { query: string; t?: string }) {
  const asked = useScoped(query) ?? query;
  return (
    <Tip text="Open the query in Logs">
      <Link className="button quiet small square" to="/logs" search={{ q: asked, ...(t === undefined ? {} : { t }) }} aria-label="Open the query in Logs">
        <SquareArrowOutUpRight className="icon small" />
      </Link>
    </Tip>
  );
}

interface Asking extends Omit<Frame, 'children'> {
  query: string;
  /** What to say instead of an empty frame */
  empty?: ReactNode;
  timespan?: string | null;
  /** The range for the link to Logs when it is not the page's */
  t?: string;
  every?: number;
  children: (answer: Answer) => ReactNode;
}

/** A panel that asks. */
export function QueryPanel({ query, empty, timespan, t, every, children, actions, ...frame }: Asking) {
  const { data, error, isPending, refetch } = useKql(query, { timespan, every });
  return (
    <Panel
      {...frame}
      actions={
        <>
          {actions}
          <OpenInLogs query={query} t={t} />
        </>
      }
    >
      <Asked data={data} error={error} pending={isPending} retry={() => void refetch()} empty={empty}>
        {children}
      </Asked>
    </Panel>
  );
}

/** The answer, or why there is none. */
export function Asked({ data, error, pending, retry, empty, children }: { data: Answer | undefined; error: unknown; pending: boolean; retry?: () => void; empty?: ReactNode; children: (answer: Answer) => ReactNode }) {
  if (error && data === undefined) {
    return (
      <div className="panel-said" role="alert">
        <span style={{ color: 'var(--danger)' }}>{error instanceof Error ? error.message : String(error)}</span>
        {retry && (
          <button type="button" className="button small" onClick={retry}>
            Ask again
          </button>
        )}
      </div>
    );
  }
  if (pending || data === undefined) {
    return (
      <div className="panel-said" role="status" aria-label="Loading">
        <span className="spinner" />
      </div>
    );
  }
  if (data.rows.length === 0) return <div className="panel-said muted">{empty ?? 'Nothing in this range.'}</div>;
  return <>{children(data)}</>;
}

export interface Bar {
  key: string;
  label: ReactNode;
  value: number;
  /** Parts of the bar with a colour each, instead of one */
  parts?: { value: number; color: string; name: string }[];
  hint?: ReactNode;
}

/** Names with their numbers, longest bar first: what a bar chart says, as text that can be read and followed. */
export function Bars({ bars, format = (n) => n.toLocaleString('en-US') }: { bars: Bar[]; format?: (value: number) => string }) {
  const most = Math.max(1, ...bars.map((bar) => bar.value));
  return (
    // It scrolls where there is little room, also for the keyboard.
    <ul className="bars" tabIndex={0} aria-label="Names with their numbers">
      {bars.map((bar) => (
        <li key={bar.key}>
          <div className="bar-label">{bar.label}</div>
          <div className="bar-track" aria-hidden="true">
            {(bar.parts ?? [{ value: bar.value, color: 'var(--chart-1)', name: '' }]).map((part, i) => (
              <i key={i} title={part.name === '' ? undefined : `${part.name}: ${part.value}`} style={{ width: `${(100 * part.value) / most}%`, background: part.color }} />
            ))}
          </div>
          <div className="bar-value number">
            {format(bar.value)}
            {bar.hint}
          </div>
        </li>
      ))}
    </ul>
  );
}

/** A small line without axes. */
export function Spark({ values, label }: { values: number[]; label: string }) {
  if (values.length < 2) return null;
  const most = Math.max(...values, 1);
  const points = values.map((value, i) => `${((100 * i) / (values.length - 1)).toFixed(2)},${(23 - (22 * value) / most).toFixed(2)}`);
  return (
    <svg className="spark" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label={label}>
      <polygon points={`0,24 ${points.join(' ')} 100,24`} />
      <polyline points={points.join(' ')} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}

/** A number that matters, what it is, and how it went. */
export function Tile({ label, value, hint, tone, spark, children }: { label: ReactNode; value: ReactNode; hint?: ReactNode; tone?: 'high' | 'medium' | 'ok' | 'warn'; spark?: number[]; children?: ReactNode }) {
  return (
    <div className="card tile" data-tone={tone}>
      <div className="tile-label">{label}</div>
      <div className="tile-value number">{value}</div>
      {hint !== undefined && <div className="tile-hint faint">{hint}</div>}
      {children}
      {spark !== undefined && <Spark values={spark} label="Course over the range" />}
    </div>
  );
}
