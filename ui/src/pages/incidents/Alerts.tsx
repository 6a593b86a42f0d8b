import { Link } from '@tanstack/react-router';
import { ChevronDown, ChevronRight, SquareArrowOutUpRight } from 'lucide-react';
import { Fragment, useEffect, useRef, useState } from 'react';
import type { Alert, IncidentDetail, Json } from '../../api/types';
import { JsonTree } from '../../components/JsonTree';
import { EntityChips, SeverityMark, Technique } from '../../components/marks';
import { CopyButton, Time } from '../../components/ui';
import { tacticName } from '../../lib/attack';
import { useFocus } from '../../lib/focus';
import { evidenceQuery } from '../../lib/kql';
import { Markdown } from '../../lib/markdown';
import { cellTime } from '../../lib/time';

export function Alerts({ incident, open }: { incident: IncidentDetail; open?: string }) {
  const focus = useFocus(incident);
  const shown = incident.alerts.filter((alert) => alert.id === open || focus.concernsAlert(alert));
  return (
    <div className="column" style={{ gap: 12, maxWidth: 1400 }}>
      {shown.length === 0 && <p className="muted">No alert is in this part of the incident.</p>}
      {shown.map((alert, i) => (
        <AlertCard key={alert.id} alert={alert} initiallyOpen={open === undefined ? i === 0 : alert.id === open} scrollTo={alert.id === open} />
      ))}
    </div>
  );
}

function AlertCard({ alert, initiallyOpen, scrollTo }: { alert: Alert; initiallyOpen: boolean; scrollTo: boolean }) {
  const [open, setOpen] = useState(initiallyOpen);
  const [query, setQuery] = useState(false);
  const card = useRef<HTMLElement>(null);
  useEffect(() => {
    if (scrollTo) card.current?.scrollIntoView({ block: 'start' });
  }, [scrollTo]);
  const details = Object.entries(alert.customDetails);
  const events = evidenceQuery(alert.evidence.columns, alert.evidence.rows, alert.query);
  return (
    <article className="card alert" ref={card}>
      <header>
        <button type="button" className="toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? <ChevronDown className="icon" /> : <ChevronRight className="icon" />}
          <SeverityMark severity={alert.severity} />
          <b>{alert.title}</b>
        </button>
        <span className="muted nowrap">
          {alert.count.toLocaleString('en-US')} {alert.count === 1 ? 'event' : 'events'}
        </span>
        <Time at={alert.lastActivity} className="muted" />
        <Link className="button small" to="/logs" search={{ q: events, t: 'all' }}>
          <SquareArrowOutUpRight className="icon small" /> Open in Logs
        </Link>
      </header>
      {open && (
        <div className="body column">
          <Markdown text={alert.description} />
          <div className="row wrap" style={{ gap: 6 }}>
            <EntityChips entities={alert.entities} max={12} />
            <span className="muted">{alert.tactics.map(tacticName).join(', ')}</span>
            {alert.techniques.map((id) => (
              <Technique key={id} id={id} />
            ))}
            <span className="grow" />
            {alert.rule === '' ? (
              <span className="muted">found by a person</span>
            ) : (
              <Link to="/rules/$id" params={{ id: alert.rule }}>
                Rule: {alert.ruleName}
              </Link>
            )}
          </div>
          {details.length > 0 && (
            <dl className="facts">
              {details.map(([name, value]) => (
                <Fragment key={name}>
                  <dt>{name}</dt>
                  <dd className="mono">{detail(value)}</dd>
                </Fragment>
              ))}
            </dl>
          )}
          <h3>The events it rests on</h3>
          <EvidenceTable alert={alert} />
          {alert.query !== '' && (
          <div className="row">
            <button type="button" className="button quiet small" aria-expanded={query} onClick={() => setQuery(!query)}>
              {query ? <ChevronDown className="icon small" /> : <ChevronRight className="icon small" />} The {alert.rule === '' ? '' : "rule's "}query
            </button>
            {query && <CopyButton text={alert.query} />}
            {query && (
              <Link className="button quiet small" to="/logs" search={{ q: alert.query, t: 'all' }}>
                <SquareArrowOutUpRight className="icon small" /> Run it in Logs
              </Link>
            )}
          </div>
          )}
          {query && <pre className="block kql">{alert.query}</pre>}
        </div>
      )}
    </article>
  );
}

/** Custom details are lists of the values that the rows had. */
const detail = (value: Json): string =>
  Array.isArray(value) ? value.map((v) => (typeof v === 'string' ? v : JSON.stringify(v))).join(', ') : typeof value === 'string' ? value : JSON.stringify(value);

const PART = 50;

function EvidenceTable({ alert }: { alert: Alert }) {
  const { columns, rows } = alert.evidence;
  const [opened, setOpened] = useState<number | null>(null);
  const [shown, setShown] = useState(PART);
  if (rows.length === 0) return <p className="muted">The alert carries no rows.</p>;
  // Columns that are empty in every row only take room; the tree of a row still has them.
  const used = inReadingOrder(columns).filter((i) => rows.some((row) => row[i] !== null && row[i] !== '' && row[i] !== undefined));
  return (
    <div className="evidence-wrap" tabIndex={0} role="region" aria-label="Evidence">
      <table className="table evidence">
        <thead>
          <tr>
            <th aria-label="Open" />
            {used.map((i) => (
              <th key={i}>{columns[i]?.name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, shown).map((row, r) => (
            <Fragment key={r}>
              <tr>
                <td>
                  <button type="button" className="button quiet small square" aria-expanded={opened === r} aria-label={`Event ${r + 1} as a tree`} onClick={() => setOpened(opened === r ? null : r)}>
                    {opened === r ? <ChevronDown className="icon small" /> : <ChevronRight className="icon small" />}
                  </button>
                </td>
                {used.map((i) => (
                  <td key={i}>{cell(row[i], columns[i]?.type ?? '')}</td>
                ))}
              </tr>
              {opened === r && (
                <tr className="open">
                  <td colSpan={used.length + 1}>
                    <JsonTree value={Object.fromEntries(columns.map((c, i) => [c.name, parsed(row[i] ?? null, c.type)]))} />
                  </td>
                </tr>
              )}
            </Fragment>
          ))}
        </tbody>
      </table>
      {rows.length > shown && (
        <button type="button" className="button quiet" onClick={() => setShown(shown + 200)}>
          {rows.length - shown} more rows
        </button>
      )}
    </div>
  );
}

// Who did what to what, before everything else.
const FIRST = ['TimeGenerated', 'Username', 'EventType', 'Action', 'Namespace', 'Resource', 'Name', 'Command', 'SourceIp', 'ResponseCode', 'UserAgent'];

function inReadingOrder(columns: { name: string }[]): number[] {
  const rank = (i: number): number => {
    const at = FIRST.indexOf(columns[i]?.name ?? '');
    return at < 0 ? FIRST.length : at;
  };
  return columns.map((_, i) => i).sort((a, b) => rank(a) - rank(b) || a - b);
}

/** Dynamic values come as text; so do whole events, in columns that keep what was sent. */
export function parsed(value: Json, type: string): Json {
  const mayHold = type === 'dynamic' ? /^\s*[[{"]/ : /^\s*[[{]/;
  if ((type !== 'dynamic' && type !== 'string') || typeof value !== 'string' || !mayHold.test(value)) return value;
  try {
    return JSON.parse(value) as Json;
  } catch {
    return value;
  }
}

function cell(value: Json | undefined, type: string): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'object') return JSON.stringify(value);
  return type === 'datetime' ? cellTime(String(value)) : String(value);
}
