import { useEffect, useMemo, useRef } from 'react';
import { ChartColumn } from 'lucide-react';
import type { Json, Render, ResultColumn } from '../api/types';
import { buildChart, type ChartKind, type Palette } from '../lib/chart';
import { useTheme } from '../lib/theme';
import { Empty, Warning } from './ui';

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
  };
}

export function Chart({ kind, columns, rows, render }: { kind: ChartKind; columns: ResultColumn[]; rows: Json[][]; render: Render | null }) {
  const theme = useTheme();
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the palette changes with the theme
  const chart = useMemo(() => buildChart(kind, columns, rows, render, palette()), [kind, columns, rows, render, theme]);
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
      <Drawing option={chart.option} label={`${kind} of ${rows.length} rows`} />
    </>
  );
}

function Drawing({ option, label }: { option: Record<string, unknown>; label: string }) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let gone = false;
    let dispose = (): void => undefined;
    void import('./echarts').then(({ init }) => {
      if (gone || host.current === null) return;
      const chart = init(host.current);
      chart.setOption(option);
      const observer = new ResizeObserver(() => chart.resize());
      observer.observe(host.current);
      dispose = () => {
        observer.disconnect();
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
