// Lines of many thousand points, drawn by uPlot; drawing across narrows the view, a double click takes it back.
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Palette } from '../lib/chart';
import { compact } from '../lib/chart';
import type { Dense } from '../lib/dense';

export default function DenseChart({ data, palette, label, onRange }: { data: Dense; palette: Palette; label: string; onRange?: (start: number, end: number) => void }) {
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef(onRange);
  latest.current = onRange;
  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const font = `11px ${palette.font}`;
    const axis = { stroke: palette.muted, font, grid: { stroke: palette.line, width: 1 }, ticks: { show: false } };
    const size = (): { width: number; height: number } => ({ width: element.clientWidth, height: Math.max(120, element.clientHeight - (data.series.length > 1 ? 34 : 6)) });
    const plot = new uPlot(
      {
        ...size(),
        padding: [12, 16, 0, 0],
        legend: { show: data.series.length > 1, live: true },
        cursor: { drag: { x: true, y: false, setScale: latest.current === undefined } },
        axes: [axis, { ...axis, size: 62, values: (_, ticks) => ticks.map((tick) => compact(tick)) }],
        series: [{}, ...data.series.map((one, i) => ({ label: one.name, stroke: palette.series[i % palette.series.length] as string, width: 1.25, points: { show: false }, spanGaps: false }))],
        hooks: {
          setSelect: [
            (self) => {
              if (latest.current === undefined || self.select.width < 6) return;
              latest.current(Math.round(self.posToVal(self.select.left, 'x') * 1000), Math.round(self.posToVal(self.select.left + self.select.width, 'x') * 1000));
            },
          ],
        },
      },
      [data.x, ...data.series.map((one) => one.values)] as uPlot.AlignedData,
      element,
    );
    const observer = new ResizeObserver(() => plot.setSize(size()));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [data, palette]);
  return (
    <div className="chart dense" role="img" aria-label={label}>
      <div ref={host} data-testid="chart" data-dense="true" />
    </div>
  );
}
