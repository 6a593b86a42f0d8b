// The strip of time above timeline, alerts and entities: the same that the graph has.
import { X } from 'lucide-react';
import type { IncidentDetail } from '../../api/types';
import { TimeBrush, type Mark } from '../../components/TimeBrush';
import { selectionName, useFocus } from '../../lib/focus';
import { alertNode } from '../../lib/graph';

export function FocusBar({ incident }: { incident: IncidentDetail }) {
  const focus = useFocus(incident);
  if (focus.moments.length < 3) return null;
  const marks: Mark[] = focus.moments.map((moment) => (moment.kind === 'alert' ? { at: moment.at, color: `var(--${moment.alert.severity.toLowerCase()})`, strong: alertNode(moment.alert) === focus.selected } : { at: moment.at }));
  const name = selectionName(incident, focus.selected);
  return (
    <section className="card focus-bar" aria-label="Part of the incident">
      <TimeBrush marks={marks} from={focus.from} to={focus.to} onChange={focus.setTime} />
      {focus.isNarrowed && (
        <div className="row" style={{ padding: '0 14px 8px', gap: 8 }}>
          <span className="muted number" role="status">
            {focus.shown.length} of {focus.moments.length} events and alerts
          </span>
          {name !== null && (
            <span className="chip">
              {name}
              <button type="button" className="chip-x" aria-label={`No longer only ${name}`} onClick={() => focus.select(null)}>
                <X className="icon small" />
              </button>
            </span>
          )}
          <button type="button" className="link" onClick={focus.clear}>
            Show everything
          </button>
        </div>
      )}
    </section>
  );
}
