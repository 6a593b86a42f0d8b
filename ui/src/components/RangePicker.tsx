import { CalendarDays, Check } from 'lucide-react';
import { useState } from 'react';
import { Chevron, Popover } from './ui';
import { describeRange, formatRange, parseRange, type Range } from '../lib/time';

const PRESETS = ['15m', '1h', '4h', '24h', '3d', '7d', '30d', 'all'];

/** An instant in the form of `datetime-local`, in the reader's zone. */
const local = (at: Date): string => new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

export function RangePicker({ range, onChange }: { range: Range; onChange: (range: Range) => void }) {
  const [open, setOpen] = useState(false);
  const current = formatRange(range);
  const [from, setFrom] = useState(() => local(range.kind === 'between' ? new Date(range.start) : new Date(Date.now() - 86_400_000)));
  const [to, setTo] = useState(() => local(range.kind === 'between' ? new Date(range.end) : new Date()));
  const valid = from !== '' && to !== '' && from < to;
  const choose = (next: Range): void => {
    setOpen(false);
    onChange(next);
  };
  return (
    <Popover
      label="Time range"
      open={open}
      onOpenChange={setOpen}
      trigger={
        <button type="button" className="button" aria-label={`Time range: ${describeRange(range)}`}>
          <CalendarDays className="icon small" />
          {describeRange(range)}
          <Chevron />
        </button>
      }
    >
      <div className="row" style={{ alignItems: 'flex-start', gap: 14 }}>
        <div className="options" style={{ width: 160 }}>
          {PRESETS.map((preset) => (
            <button key={preset} type="button" className="item" aria-pressed={preset === current} onClick={() => choose(parseRange(preset))}>
              <span className="grow">{describeRange(parseRange(preset))}</span>
              {preset === current && <Check className="icon small" />}
            </button>
          ))}
        </div>
        <form
          className="column"
          style={{ width: 210 }}
          onSubmit={(event) => {
            event.preventDefault();
            if (valid) choose({ kind: 'between', start: new Date(from).toISOString(), end: new Date(to).toISOString() });
          }}
        >
          <label className="field">
            <span className="label">From</span>
            <input className="input" type="datetime-local" value={from} onChange={(event) => setFrom(event.target.value)} />
          </label>
          <label className="field">
            <span className="label">To</span>
            <input className="input" type="datetime-local" value={to} onChange={(event) => setTo(event.target.value)} />
          </label>
          {!valid && <span className="faint">The end must be after the start.</span>}
          <button type="submit" className="button primary" disabled={!valid}>
            Use this range
          </button>
          <span className="faint">In your time zone. A range limits TimeGenerated of every table the query reads.</span>
        </form>
      </div>
    </Popover>
  );
}
