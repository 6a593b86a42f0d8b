// An answer as whatever a document asks for.
import type { Answer } from '../api/kql';
import { number, text } from '../api/kql';
import type { Render } from '../api/types';
import { chartKind, isNumeric, type ChartKind } from '../lib/chart';
import { ofLogin, type EntityId, type EntityKind } from '../lib/entities';
import type { VisualKind } from '../lib/visuals';
import { Chart } from './Chart';
import { EntityLink } from './EntityLink';
import { Bars } from './Panel';
import { RowsTable, entityOf } from './RowsTable';
import { TimeChart } from './TimeChart';


export function Visual({ answer, kind, bin, render = null }: { answer: Answer; kind: VisualKind | undefined; bin?: string; render?: Render | null }) {
  const asked = (answer.answer.render ?? null) as Render | null;
  const named = chartKind(asked);
  const shown: VisualKind | ChartKind = kind ?? (named === null ? 'table' : named);
  switch (shown) {
    case 'table':
      return <RowsTable answer={answer} />;
    case 'bars':
      return <BarList answer={answer} />;
    case 'tiles':
    case 'card':
      return <Tiles answer={answer} />;
    case 'text':
      return <div className="panel-said">{text(answer.rows[0]?.[0])}</div>;
    case 'timebars':
      return <TimeChart answer={answer} bars bin={bin} />;
    case 'timechart':
    case 'anomalychart':
      return <TimeChart answer={answer} kind={shown} bin={bin} render={asked ?? render} />;
    case 'areachart':
      return <TimeChart answer={answer} kind="areachart" bin={bin} render={asked ?? { visualization: 'areachart', kind: 'stacked' }} />;
    case 'heatmap':
      return <Chart kind="pivotchart" columns={answer.columns} rows={answer.rows} render={asked} look={{ compact: true }} />;
    default:
      return <Chart kind={shown} columns={answer.columns} rows={answer.rows} render={asked ?? render} look={{ compact: true }} />;
  }
}

const KINDS: Record<string, EntityKind> = { Username: 'account', Account: 'account', SourceIp: 'address', Address: 'address', Namespace: 'namespace', Image: 'image', Node: 'node', Pod: 'pod', ServiceAccount: 'serviceaccount' };

/** Text columns name the bar, the first number is its length. */
function BarList({ answer }: { answer: Answer }) {
  const { columns, rows } = answer;
  const y = columns.findIndex(isNumeric);
  const names = columns.map((_, i) => i).filter((i) => i !== y && !isNumeric(columns[i] as never) && columns[i]?.type !== 'datetime');
  if (y < 0 || names.length === 0) return <div className="panel-said muted">Names with bars need a column of names and a column of numbers.</div>;
  return (
    <Bars
      bars={rows.slice(0, 60).map((row, i) => {
        const shown = names.map((n) => text(row[n])).filter((t) => t !== '').join(' · ') || '(empty)';
        const first = columns[names[0] as number] as (typeof columns)[number];
        const value = row[names[0] as number] ?? null;
        const id: EntityId | null = KINDS[first.name] === 'account' && typeof value === 'string' && value !== '' ? ofLogin(value) : entityOf(first, value, row, columns);
        return { key: `${shown} ${i}`, value: number(row[y]), label: id === null ? <span title={shown}>{shown}</span> : <EntityLink id={id}>{shown}</EntityLink> };
      })}
    />
  );
}

/** Each number of the first row; or, of rows with a name, each row. */
function Tiles({ answer }: { answer: Answer }) {
  const { columns, rows } = answer;
  const y = columns.findIndex(isNumeric);
  const name = columns.findIndex((c) => !isNumeric(c));
  const tiles = name < 0 || rows.length === 1 ? columns.map((c, i) => [c.name, rows[0]?.[i] ?? null] as const) : rows.slice(0, 24).map((row) => [text(row[name]) || '(empty)', row[y] ?? null] as const);
  return (
    <div className="tiles inner">
      {tiles.map(([label, value]) => (
        <div key={label} className="tile">
          <div className="tile-label">{label}</div>
          <div className="tile-value number">{value === null || value === 'NaN' ? '–' : typeof value === 'number' ? value.toLocaleString('en-US', { maximumFractionDigits: 1 }) : text(value)}</div>
        </div>
      ))}
    </div>
  );
}
