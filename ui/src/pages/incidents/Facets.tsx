import { Check } from 'lucide-react';
import { useState } from 'react';
import type { Facets as Counts, Severity, Status } from '../../api/types';
import { SeverityMark, StatusMark } from '../../components/marks';
import { tacticName, techniqueName } from '../../lib/attack';
import { FACETS, NOBODY, SEVERITIES, STATUSES, type Facet, type QueueSearch } from '../../lib/filters';

const TITLES: Record<Facet, string> = { status: 'Status', severity: 'Severity', owner: 'Owner', tactic: 'Tactic', technique: 'Technique' };
const FIXED: Partial<Record<Facet, string[]>> = { status: STATUSES, severity: SEVERITIES };
const SHOWN = 7;

function name(facet: Facet, value: string): React.ReactNode {
  switch (facet) {
    case 'status':
      return <StatusMark status={value as Status} />;
    case 'severity':
      return <SeverityMark severity={value as Severity} />;
    case 'owner':
      return value === NOBODY ? 'Unassigned' : value;
    case 'tactic':
      return tacticName(value);
    case 'technique':
      return (
        <>
          <span className="mono">{value}</span> <span className="muted">{techniqueName(value) ?? ''}</span>
        </>
      );
  }
}

/** The counts beside the queue; each value is a filter. */
export function Facets({ counts, queue, onToggle, onClear, open }: { counts: Counts; queue: QueueSearch; onToggle: (facet: Facet, value: string) => void; onClear: (facet: Facet) => void; open: boolean }) {
  const [all, setAll] = useState<Partial<Record<Facet, boolean>>>({});
  return (
    <aside className="facets" aria-label="Filters" data-open={open}>
      {FACETS.map((facet) => {
        const found = Object.fromEntries(Object.entries(counts[facet] ?? {}).map(([v, n]) => [facet === 'owner' && v === '' ? NOBODY : v, n]));
        const chosen = queue[facet] ?? [];
        const sorted = Object.keys(found).sort((a, b) => (found[b] ?? 0) - (found[a] ?? 0) || a.localeCompare(b));
        const values = [...new Set([...(FIXED[facet] ?? sorted), ...chosen])];
        if (values.length === 0) return null;
        const visible = all[facet] ? values : values.slice(0, SHOWN);
        return (
          <section key={facet}>
            <h3>
              {TITLES[facet]}
              {chosen.length > 0 && (
                <button type="button" className="link" onClick={() => onClear(facet)} aria-label={`Clear ${TITLES[facet]}`}>
                  Clear
                </button>
              )}
            </h3>
            {visible.map((value) => (
              <button key={value} type="button" role="checkbox" aria-checked={chosen.includes(value)} className="facet" onClick={() => onToggle(facet, value)}>
                <span className="box">{chosen.includes(value) && <Check />}</span>
                <span className="ellipsis">{name(facet, value)}</span>
                <span className="n">{(found[value] ?? 0).toLocaleString('en-US')}</span>
              </button>
            ))}
            {values.length > SHOWN && (
              <button type="button" className="link" style={{ padding: '3px 6px' }} onClick={() => setAll({ ...all, [facet]: !all[facet] })}>
                {all[facet] ? 'Fewer' : `${values.length - SHOWN} more`}
              </button>
            )}
          </section>
        );
      })}
    </aside>
  );
}
