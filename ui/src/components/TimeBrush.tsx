// A strip of time with marks on it, of which a part can be chosen: with the pointer, or with the arrow keys.
import { useRef, useState } from 'react';
import { absolute } from '../lib/time';

export interface Mark {
  at: number;
  /** A colour for alerts; events have none */
  color?: string;
  strong?: boolean;
}

interface Props {
  marks: Mark[];
  from: number | null;
  to: number | null;
  onChange: (from: number | null, to: number | null) => void;
}

const HEIGHT = 54;

export function TimeBrush({ marks, from, to, onChange }: Props) {
  const strip = useRef<HTMLDivElement>(null);
  const [drawn, setDrawn] = useState<[number, number] | null>(null);
  const times = marks.map((m) => m.at);
  const least = Math.min(...times);
  const most = Math.max(...times);
  const room = Math.max((most - least) * 0.04, 500);
  const start = least - room;
  const end = most + room;
  const share = (at: number): number => (100 * (at - start)) / (end - start);
  const chosen: [number, number] | null = drawn ?? (from === null || to === null ? null : [from, to]);
  const instant = (x: number): number => {
    const box = strip.current?.getBoundingClientRect();
    if (!box) return start;
    return start + (Math.min(Math.max(x - box.left, 0), box.width) / box.width) * (end - start);
  };
  const events = marks.filter((m) => m.color === undefined);
  const most60 = histogram(events, start, end);
  const top = Math.max(1, ...most60);
  const move = (by: number, wider: boolean): void => {
    const step = ((end - start) / 20) * by;
    const [a, b] = chosen ?? [start, start + (end - start) / 4];
    onChange(Math.round(wider ? a : Math.max(start, a + step)), Math.round(Math.min(end, b + step)));
  };
  return (
    <div className="time-brush">
      <div
        ref={strip}
        className="time-strip"
        role="slider"
        tabIndex={0}
        aria-label="Part of the time; arrow keys move it, with Shift they widen it, Escape takes it away"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={chosen === null ? 0 : Math.round(share(chosen[0]))}
        aria-valuetext={chosen === null ? 'all of it' : `${absolute(chosen[0])} to ${absolute(chosen[1])}`}
        onKeyDown={(event) => {
          if (event.key === 'ArrowRight') move(1, event.shiftKey);
          else if (event.key === 'ArrowLeft') move(-1, event.shiftKey);
          else if (event.key === 'Escape') onChange(null, null);
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
        onPointerDown={(event) => {
          const first = instant(event.clientX);
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrawn([first, first]);
        }}
        onPointerMove={(event) => {
          if (drawn === null) return;
          const now = instant(event.clientX);
          setDrawn([drawn[0], now]);
        }}
        onPointerUp={() => {
          if (drawn === null) return;
          const [a, b] = drawn[0] < drawn[1] ? drawn : [drawn[1], drawn[0]];
          setDrawn(null);
          if (b - a < (end - start) / 200) onChange(null, null);
          else onChange(Math.floor(a), Math.ceil(b));
        }}
      >
        {most60.map((count, i) => (
          <i key={i} className="bin" style={{ left: `${(100 * i) / most60.length}%`, width: `${100 / most60.length}%`, height: count === 0 ? 0 : 4 + (count / top) * (HEIGHT - 26) }} />
        ))}
        {marks
          .filter((m) => m.color !== undefined)
          .map((m, i) => (
            <i key={i} className="alert-mark" data-strong={m.strong} style={{ left: `${share(m.at)}%`, background: m.color }} />
          ))}
        {chosen !== null && <i className="chosen" style={{ left: `${Math.min(share(chosen[0]), share(chosen[1]))}%`, width: `${Math.abs(share(chosen[1]) - share(chosen[0]))}%` }} />}
      </div>
      <div className="row spread faint number" style={{ fontSize: 11.5 }}>
        <span>{absolute(start)}</span>
        {chosen !== null && (
          <span className="row">
            {absolute(Math.min(...chosen))} – {absolute(Math.max(...chosen)).slice(11)}
            <button type="button" className="link" onClick={() => onChange(null, null)}>
              all of it
            </button>
          </span>
        )}
        <span>{absolute(end)}</span>
      </div>
    </div>
  );
}

function histogram(marks: Mark[], start: number, end: number, bins = 90): number[] {
  const counts = new Array<number>(bins).fill(0);
  for (const { at } of marks) {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(((at - start) / (end - start)) * bins)));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}
