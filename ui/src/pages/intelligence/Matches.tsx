// Where indicators were seen in the logs of the last week.
import { useNavigate } from '@tanstack/react-router';
import { Radar, ShieldCheck } from 'lucide-react';
import { useState } from 'react';
import { number, useKql } from '../../api/kql';
import { BookmarkDialog, type ToKeep } from '../../components/BookmarkDialog';
import { OpenInLogs } from '../../components/Panel';
import { RowsTable } from '../../components/RowsTable';
import { Empty, ErrorNotice, Skeleton } from '../../components/ui';
import { MATCHES } from '../../lib/indicators';

export function Matches() {
  const navigate = useNavigate();
  const known = useKql('ActiveIndicators\n| count', { timespan: null });
  const found = useKql(MATCHES, { timespan: null, every: 60_000 });
  const [toKeep, setToKeep] = useState<ToKeep | null>(null);
  if (found.error) return <ErrorNotice error={found.error} retry={() => void found.refetch()} />;
  if (found.isPending || known.isPending) return <Skeleton />;
  if (number(known.data?.rows[0]?.[0]) === 0) {
    return (
      <Empty icon={<Radar />} title="Nothing to match with">
        <p>There are no active indicators. Take some in first.</p>
        <button type="button" className="button" onClick={() => void navigate({ to: '/intelligence', search: { tab: 'indicators' } })}>
          Threat intelligence
        </button>
      </Empty>
    );
  }
  const answer = found.data;
  return (
    <div className="page-scroll column" style={{ gap: 14 }}>
      {answer.rows.length === 0 ? (
        <Empty icon={<ShieldCheck />} title="No indicator was seen">
          <p>None of the {number(known.data?.rows[0]?.[0]).toLocaleString('en-US')} active indicators is in the logs of the last 7 days.</p>
        </Empty>
      ) : (
        <section className="card" style={{ overflow: 'auto' }}>
          <header>
            <h2 className="grow">Seen in the last 7 days</h2>
            <OpenInLogs query={MATCHES} t="all" />
          </header>
          <RowsTable answer={answer} onBookmark={(row) => setToKeep({ query: MATCHES, columns: answer.columns, rows: [row] })} />
        </section>
      )}
      <BookmarkDialog what={toKeep} onClose={() => setToKeep(null)} />
    </div>
  );
}
