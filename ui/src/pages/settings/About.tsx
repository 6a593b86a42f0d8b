import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleCheck, CircleX } from 'lucide-react';
import { healthQuery } from '../../api/queries';
import { ErrorNotice, Skeleton } from '../../components/ui';
import { columnName } from '../../lib/kql';
import { bytes } from '../../lib/bytes';

const PARTS: Record<string, string> = { state: 'Incidents, users and tokens', lake: 'Logs', server: 'Server' };

export function About() {
  const { data, error, isPending, refetch } = useQuery(healthQuery);
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />;
  if (isPending) return <Skeleton />;
  const tables = [...data.tables].sort((a, b) => b.rows - a.rows || a.name.localeCompare(b.name));
  const sum = (of: (t: (typeof tables)[number]) => number): number => tables.reduce((total, t) => total + of(t), 0);
  return (
    <>
      <section className="card">
        <header>
          <h2 className="grow">Health</h2>
          <span className="muted">Taffrail {data.version}</span>
        </header>
        <table className="table">
          <tbody>
            {data.parts.map((part) => (
              <tr key={part.name}>
                <td>{PARTS[part.name] ?? part.name}</td>
                <td>
                  {part.status === 'ok' ? (
                    <span className="row" style={{ color: 'var(--ok)' }}>
                      <CircleCheck className="icon" /> works
                    </span>
                  ) : (
                    <span className="row" style={{ color: 'var(--danger)' }}>
                      <CircleX className="icon" /> {part.message ?? part.status}
                    </span>
                  )}
                </td>
              </tr>
            ))}
            <tr>
              <td>Rules</td>
              <td>
                <Link to="/rules">{data.rules} loaded</Link>
              </td>
            </tr>
          </tbody>
        </table>
      </section>
      <section className="card">
        <header>
          <h2 className="grow">Tables</h2>
          <span className="muted number">
            {sum((t) => t.rows).toLocaleString('en-US')} rows, {bytes(sum((t) => t.bytes))}
          </span>
        </header>
        <div style={{ overflow: 'auto' }}>
          <table className="table">
            <thead>
              <tr>
                <th>Table</th>
                <th style={{ textAlign: 'right' }}>Rows</th>
                <th style={{ textAlign: 'right' }}>Not yet in files</th>
                <th style={{ textAlign: 'right' }}>Files</th>
                <th style={{ textAlign: 'right' }}>Size</th>
              </tr>
            </thead>
            <tbody className="number">
              {tables.map((table) => (
                <tr key={table.name}>
                  <td>
                    <Link className="mono" to="/logs" search={{ q: `${columnName(table.name)}\n| take 50`, t: 'all' }}>
                      {table.name}
                    </Link>
                  </td>
                  <td style={{ textAlign: 'right' }}>{table.rows.toLocaleString('en-US')}</td>
                  <td style={{ textAlign: 'right' }}>{table.hotRows.toLocaleString('en-US')}</td>
                  <td style={{ textAlign: 'right' }}>{table.files.toLocaleString('en-US')}</td>
                  <td style={{ textAlign: 'right' }}>{bytes(table.bytes)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <p className="muted">
        For machines: <a href="/healthz">/healthz</a>, <a href="/readyz">/readyz</a>, <code>/metrics</code>, and the <a href="/api/v1/openapi.json">OpenAPI document</a>.
      </p>
    </>
  );
}
