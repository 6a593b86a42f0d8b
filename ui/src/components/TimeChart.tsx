// A chart over the page's range: ends where the range ends, and narrows it when somebody draws across it.
import type { Answer } from '../api/kql';
import type { Render } from '../api/types';
import type { ChartKind } from '../lib/chart';
import { binSeconds, rangeEnds, useScope } from '../lib/scope';
import { Chart } from './Chart';

export function TimeChart({ answer, kind = 'timechart', bars = false, render = null, bin, onPick }: { answer: Answer; kind?: ChartKind; bars?: boolean; render?: Render | null; bin?: string; onPick?: (series: string) => void }) {
  const scope = useScope();
  const step = binSeconds(bin ?? scope.bin) * 1000;
  // On whole bins, so that the axis does not creep while the page stands.
  const ends = rangeEnds(scope.range, Math.ceil(Date.now() / step) * step);
  return (
    <Chart
      kind={kind}
      columns={answer.columns}
      rows={answer.rows}
      render={render}
      // A bin without rows is a count of 0, but no time to answer of 0: lines are not filled.
      look={{ compact: true, bars, ...(bars || kind === 'areachart' ? { fill: step } : {}), ...(ends === undefined ? {} : { ends }) }}
      onPick={onPick}
      onRange={(start, end) => scope.setRange({ kind: 'between', start: new Date(start).toISOString(), end: new Date(end).toISOString() })}
    />
  );
}
