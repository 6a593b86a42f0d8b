// How the server runs a query: as written, as optimized, as run.
import { useQuery } from '@tanstack/react-query';
import { request } from '../../api/client';
import type { Diagnostic } from '../../api/types';
import { CopyButton, Empty, ErrorNotice, Skeleton } from '../../components/ui';
import { Workflow } from 'lucide-react';

const PARTS = ['physical plan', 'optimized plan', 'logical plan'] as const;
const NAMES: Record<(typeof PARTS)[number], [string, string]> = {
  'physical plan': ['As it is run', 'What is done, from the bottom up'],
  'optimized plan': ['As it is optimized', 'Filters and columns moved to where rows are read'],
  'logical plan': ['As it is written', 'The operators of the query'],
};

/** The parts of what the server says, by their headings. */
export function readPlan(text: string): [(typeof PARTS)[number], string][] {
  return PARTS.map((name): [(typeof PARTS)[number], string] => {
    const start = text.indexOf(`${name}\n`);
    if (start < 0) return [name, ''];
    const rest = text.slice(start + name.length + 1);
    const end = Math.min(...PARTS.map((other) => rest.indexOf(`\n${other}\n`)).filter((at) => at >= 0), rest.length);
    return [name, rest.slice(0, end).trimEnd()];
  }).filter(([, part]) => part !== '');
}

export function Plan({ query }: { query: string }) {
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['explain', query],
    staleTime: 60_000,
    retry: false,
    queryFn: ({ signal }) => request<{ plan: string; diagnostics: Diagnostic[] }>('/api/v1/query/explain', { method: 'POST', body: { query }, signal }),
  });
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />;
  if (isPending) return <Skeleton />;
  const parts = readPlan(data.plan);
  if (parts.length === 0) {
    return (
      <Empty icon={<Workflow />} title="There is no plan">
        <p>{data.diagnostics[0]?.message ?? 'The server says nothing about how it runs this query.'}</p>
      </Empty>
    );
  }
  return (
    <div className="plan" tabIndex={0} role="region" aria-label="Plan">
      {parts.map(([name, text], i) => (
        <details key={name} open={i === 0}>
          <summary>
            <b>{NAMES[name][0]}</b> <span className="faint">{NAMES[name][1]}</span>
          </summary>
          <div className="row end">
            <CopyButton text={text} />
          </div>
          <pre className="kql">{text}</pre>
        </details>
      ))}
    </div>
  );
}
