import { Suspense, lazy, useEffect, useMemo, useRef } from 'react';
import { ChartColumn } from 'lucide-react';
import type { Json, Render, ResultColumn } from '../api/types';
import { buildChart, type ChartKind, type Look, type Palette } from '../lib/chart';
import { DENSE, dense } from '../lib/dense';
import { useTheme } from '../lib/theme';
import { Empty, Warning } from './ui';

const DenseChart = lazy(() => import('./DenseChart'));

function palette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string): string => style.getPropertyValue(name).trim();
  return {
    series: Array.from({ length: 12 }, (_, i) => get(`--chart-${i + 1}`)),
    text: get('--text'),
    muted: get('--muted'),
    line: get('--line'),
    surface: get('--surface'),
    font: get('--font'),
    named: {
      High: get('--high'),
      Medium: get('--chart-2'),
      Low: get('--chart-7'),
      Informational: get('--chart-11'),
      New: get('--chart-1'),
      Active: get('--chart-4'),
      Closed: get('--chart-11'),
      allow: get('--chart-1'),
      forbid: get('--high'),
    },
  };
}

interface Props {
  kind: ChartKind;
  columns: ResultColumn[];
  rows: Json[][];
  render: Render | null;
  look?: Look;
  /** Somebody clicked a point: its series, and its name on the other axis */
  onPick?: (series: string, name: string) => void;
  /** Somebody drew across a time axis */
  onRange?: (start: number, end: number) => void;
}

export function Chart({ kind, columns, rows, render, look, onPick, onRange }: Props) {
  const theme = useTheme();
  // Lines that are too many for objects are drawn from columns of numbers.
  const lines = useMemo(
    () => ((kind === 'timechart' || kind === 'linechart') && rows.length > DENSE && look?.bars !== true && look?.fill === undefined ? dense(columns, rows, render) : null),
    [kind, columns, rows, render, look?.bars, look?.fill],
  );
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the palette changes with the theme
  const colors = useMemo(palette, [theme]);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the palette changes with the theme
  const chart = useMemo(() => (lines === null ? buildChart(kind, columns, rows, render, palette(), look) : null), [lines, kind, columns, rows, render, theme, JSON.stringify(look)]);
  if (lines !== null || chart === null) {
    if (lines === null) return null;
    return (
      <Suspense fallback={<div className="panel-said" role="status" aria-label="Loading"><span className="spinner" /></div>}>
        {lines.cut && <Warning>Only a part is drawn: there are more series than a chart can show. Narrow the query, for example with top.</Warning>}
        <DenseChart data={lines} palette={colors} label={`${kind} of ${rows.length} rows`} onRange={onRange} />
      </Suspense>
    );
  }
  if (chart.kind === 'none') {
    return (
      <Empty icon={<ChartColumn />} title="These rows make no such chart">
        <p>{chart.reason}</p>
      </Empty>
    );
  }
  if (chart.kind === 'card') {
    return (
      <div className="cards">
        {chart.cards.map((card) => (
          <div key={card.label} className="card">
            <div className="big number">{card.value}</div>
            <div className="muted">{card.label}</div>
          </div>
        ))}
      </div>
    );
  }
  return (
    <>
      {chart.cut && <Warning>Only a part is drawn: there are more series or categories than a chart can show. Narrow the query, for example with top.</Warning>}
      <Drawing option={chart.option} label={`${kind} of ${rows.length} rows`} onPick={onPick} onRange={onRange} />
    </>
  );
}

/** Less than this is a click. */
const DRAWN = 6;

function Drawing({ option, label, onPick, onRange }: { option: Record<string, unknown>; label: string } & Pick<Props, 'onPick' | 'onRange'>) {
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef({ onPick, onRange });
  latest.current = { onPick, onRange };
  useEffect(() => {
    let gone = false;
    let dispose = (): void => undefined;
    void import('./echarts').then(({ init }) => {
      if (gone || host.current === null) return;
      const chart = init(host.current);
      chart.setOption(option);
      chart.on('click', (point) => latest.current.onPick?.(String(point.seriesName ?? ''), String(point.name ?? '')));
      const clear = brush(host.current, (from, to) => {
        const [start] = chart.convertFromPixel({ gridIndex: 0 }, [from, 0]) as number[];
        const [end] = chart.convertFromPixel({ gridIndex: 0 }, [to, 0]) as number[];
        if (start !== undefined && end !== undefined) latest.current.onRange?.(Math.round(start), Math.round(end));
      }, () => latest.current.onRange !== undefined);
      const observer = new ResizeObserver(() => chart.resize());
      observer.observe(host.current);
      dispose = () => {
        observer.disconnect();
        clear();
        // Drawing that is still under way ends with this; otherwise it would go on without a canvas.
        chart.clear();
        chart.dispose();
      };
    });
    return () => {
      gone = true;
      dispose();
    };
  }, [option]);
  return (
    <div className="chart" role="img" aria-label={label}>
      <div ref={host} data-testid="chart" />
    </div>
  );
}

/** Lets a part of the width be marked with the pointer. */
function brush(host: HTMLElement, done: (from: number, to: number) => void, wanted: () => boolean): () => void {
  const down = (event: PointerEvent): void => {
    if (!wanted() || event.button !== 0) return;
    const box = host.getBoundingClientRect();
    const start = event.clientX - box.left;
    const mark = document.createElement('div');
    mark.className = 'brush';
    host.append(mark);
    const place = (moved: PointerEvent): [number, number] => {
      const now = Math.min(Math.max(moved.clientX - box.left, 0), box.width);
      return [Math.min(start, now), Math.max(start, now)];
    };
    const move = (moved: PointerEvent): void => {
      const [from, to] = place(moved);
      mark.style.left = `${from}px`;
      mark.style.width = `${to - from}px`;
    };
    const up = (moved: PointerEvent): void => {
      removeEventListener('pointermove', move);
      mark.remove();
      const [from, to] = place(moved);
      if (to - from >= DRAWN) done(from, to);
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', up, { once: true });
  };
  host.addEventListener('pointerdown', down);
  return () => host.removeEventListener('pointerdown', down);
}
