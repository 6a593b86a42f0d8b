// A few rows as a plain table: times in the reader's zone, names of entities as links.
import { Bookmark } from 'lucide-react';
import { useState } from 'react';
import type { Answer } from '../api/kql';
import { list, text } from '../api/kql';
import type { Json, ResultColumn, Severity, Status } from '../api/types';
import { isNumeric } from '../lib/chart';
import { ofLogin, type EntityId } from '../lib/entities';
import { cellText } from '../lib/results';
import { EntityLink } from './EntityLink';
import { SeverityMark, StatusMark } from './marks';
import { Time } from './ui';

const PART = 50;
const SEVERITY = /^(High|Medium|Low|Informational)$/;
const STATUS = /^(New|Active|Closed)$/;

export function RowsTable({ answer, limit = PART, onRow, onBookmark }: { answer: Answer; limit?: number; onRow?: (row: Json[]) => void; onBookmark?: (row: Json[]) => void }) {
  const [shown, setShown] = useState(limit);
  const { columns, rows } = answer;
  return (
    <div className="scrolls" tabIndex={0} role="region" aria-label="Rows">
      <table className="table rows">
        <thead>
          <tr>
            {onBookmark && <th aria-label="Bookmark" style={{ width: 32 }} />}
            {columns.map((column) => (
              <th key={column.name} style={isRight(column) ? { textAlign: 'right' } : undefined}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, shown).map((row, i) => (
            <tr key={i} onClick={onRow === undefined ? undefined : () => onRow(row)}>
              {onBookmark && (
                <td style={{ padding: '0 2px' }}>
                  <button type="button" className="button quiet small square" aria-label={`Bookmark row ${i + 1}`} title="Bookmark the row" onClick={() => onBookmark(row)}>
                    <Bookmark className="icon small" />
                  </button>
                </td>
              )}
              {columns.map((column, at) => (
                <td key={column.name} className={isRight(column) ? 'number' : undefined} style={isRight(column) ? { textAlign: 'right' } : undefined}>
                  <Cell column={column} value={row[at] ?? null} row={row} columns={columns} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > shown && (
        <button type="button" className="button quiet" onClick={() => setShown(shown + 200)}>
          {(rows.length - shown).toLocaleString('en-US')} more rows
        </button>
      )}
    </div>
  );
}

const isRight = (column: ResultColumn): boolean => isNumeric(column) && column.type !== 'timespan';

/** Columns that name something with a page. */
export function entityOf(column: ResultColumn, value: Json, row: Json[], columns: ResultColumn[]): EntityId | null {
  if (typeof value !== 'string' || value === '' || column.type !== 'string') return null;
  const beside = (name: string): string => text(row[columns.findIndex((c) => c.name === name)]);
  switch (column.name) {
    case 'Username':
    case 'Account':
    case 'Login':
    case 'ImpersonatedUsername':
      return ofLogin(value);
    case 'SourceIp':
    case 'Address':
      return { kind: 'address', name: value };
    case 'Namespace':
      return { kind: 'namespace', name: value };
    case 'Image':
      return { kind: 'image', name: value };
    case 'Node':
      return { kind: 'node', name: value };
    case 'Pod':
      return { kind: 'pod', name: value, namespace: beside('Namespace') || undefined };
    case 'ServiceAccount':
      return { kind: 'serviceaccount', name: value, namespace: beside('Namespace') };
    case 'Name':
      if (beside('Resource') === 'pods') return { kind: 'pod', name: value, namespace: beside('Namespace') || undefined };
      return /^(deployments|statefulsets|daemonsets|replicasets|jobs|cronjobs)$/.test(beside('Resource')) ? { kind: 'workload', name: value, namespace: beside('Namespace') || undefined } : null;
    default:
      return null;
  }
}

function Cell({ column, value, row, columns }: { column: ResultColumn; value: Json; row: Json[]; columns: ResultColumn[] }) {
  if (value === null || value === '') return <span className="faint">–</span>;
  if (column.type === 'datetime') return <Time at={String(value)} />;
  if (typeof value === 'number') return <>{value.toLocaleString('en-US', { maximumFractionDigits: 2 })}</>;
  if (typeof value === 'string' && /severity/i.test(column.name) && SEVERITY.test(value)) return <SeverityMark severity={value as Severity} />;
  if (typeof value === 'string' && column.name === 'Status' && STATUS.test(value)) return <StatusMark status={value as Status} />;
  const id = entityOf(column, value, row, columns);
  const items = column.type === 'dynamic' ? list(value) : [];
  const shown = items.length > 0 ? items.map(text).join(', ') : cellText(value, column.type);
  const cut = <span title={shown.length > 80 ? shown : undefined}>{shown.length > 160 ? `${shown.slice(0, 159)}…` : shown}</span>;
  return id === null ? cut : <EntityLink id={id}>{cut}</EntityLink>;
}
