// What the columns of a result hold: how many values, and the commonest, each a filter.
import { ChevronDown, ChevronRight, Filter, FilterX } from 'lucide-react';
import { useMemo, useState } from 'react';
import type { Json, ResultColumn } from '../../api/types';
import { Tip } from '../../components/ui';
import { condition } from '../../lib/kql';
import { cellText } from '../../lib/results';
import { summarizeColumn, type ColumnSummary } from '../../lib/fields';

interface Props {
  columns: ResultColumn[];
  rows: Json[][];
  onFilter: (condition: string) => void;
}

export function Fields({ columns, rows, onFilter }: Props) {
  const [find, setFind] = useState('');
  const words = find.trim().toLowerCase();
  return (
    <aside className="fields" aria-label="Fields">
      <div className="find">
        <input className="input" type="search" placeholder="Find a field" aria-label="Find a field" value={find} onChange={(event) => setFind(event.target.value)} />
      </div>
      <div className="scroll">
        {columns.map((column, i) => (column.name.toLowerCase().includes(words) ? <Field key={`${column.name}${i}`} column={column} index={i} rows={rows} onFilter={onFilter} /> : null))}
      </div>
    </aside>
  );
}

function Field({ column, index, rows, onFilter }: { column: ResultColumn; index: number; rows: Json[][]; onFilter: (condition: string) => void }) {
  const [open, setOpen] = useState(false);
  const summary = useMemo(() => (open ? summarizeColumn(rows, index) : null), [open, rows, index]);
  return (
    <div className="field-entry">
      <button type="button" className="node" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? <ChevronDown className="icon small" /> : <ChevronRight className="icon small" />}
        <span className="name">{column.name}</span>
        <span className="type">{column.type}</span>
      </button>
      {summary && <Values column={column} summary={summary} onFilter={onFilter} />}
    </div>
  );
}

function Values({ column, summary, onFilter }: { column: ResultColumn; summary: ColumnSummary; onFilter: (condition: string) => void }) {
  const most = Math.max(1, ...summary.top.map(([, count]) => count));
  return (
    <div className="field-values">
      <div className="faint">
        {summary.distinct.toLocaleString('en-US')}
        {summary.capped ? '+' : ''} values{summary.empty > 0 && <>, {summary.empty.toLocaleString('en-US')} empty</>}
      </div>
      {summary.range && (
        <div className="faint number">
          {cellText(summary.range[0], column.type)} – {cellText(summary.range[1], column.type)}
        </div>
      )}
      <ul className="plain">
        {summary.top.map(([value, count]) => {
          const keep = condition(column.name, column.type, value);
          const drop = condition(column.name, column.type, value, [], true);
          const text = value === null || value === '' ? '(empty)' : cellText(value, column.type);
          return (
            <li key={String(value)} className="field-value">
              <div className="row" style={{ gap: 4 }}>
                <span className="grow ellipsis mono" title={text}>
                  {text}
                </span>
                <span className="faint number">{((100 * count) / Math.max(1, summary.rows)).toFixed(count === summary.rows ? 0 : 1)} %</span>
                {keep !== null && (
                  <Tip text={`where ${keep}`}>
                    <button type="button" className="button quiet small square" aria-label={`Only ${text}`} onClick={() => onFilter(keep)}>
                      <Filter className="icon small" />
                    </button>
                  </Tip>
                )}
                {drop !== null && (
                  <Tip text={`where ${drop}`}>
                    <button type="button" className="button quiet small square" aria-label={`Without ${text}`} onClick={() => onFilter(drop)}>
                      <FilterX className="icon small" />
                    </button>
                  </Tip>
                )}
              </div>
              <div className="bar-track" aria-hidden="true">
                <i style={{ width: `${(100 * count) / most}%`, background: 'var(--chart-1)' }} />
              </div>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
