import { useQuery } from '@tanstack/react-query';
import { History } from 'lucide-react';
import { useState } from 'react';
import { historyQuery } from '../../api/queries';
import { ErrorNotice, Popover, Time } from '../../components/ui';
import { duration } from '../../lib/time';

/** The queries this person ran, on whatever machine. */
export function Past({ onChoose }: { onChoose: (query: string) => void }) {
  const [open, setOpen] = useState(false);
  const [find, setFind] = useState('');
  const { data, error, isPending } = useQuery({ ...historyQuery, enabled: open });
  const words = find.trim().toLowerCase();
  const shown = (data ?? []).filter((entry) => entry.query.toLowerCase().includes(words));
  return (
    <Popover
      label="History"
      align="end"
      open={open}
      onOpenChange={setOpen}
      trigger={
        <button type="button" className="button quiet">
          <History className="icon small" /> History
        </button>
      }
    >
      <div className="column" style={{ width: 'min(560px, 86vw)', gap: 8 }}>
        <input className="input" type="search" placeholder="Find in the history" aria-label="Find in the history" value={find} onChange={(event) => setFind(event.target.value)} />
        {error && <ErrorNotice error={error} />}
        {isPending && <span className="spinner" />}
        {data && shown.length === 0 && <p className="muted">{data.length === 0 ? 'Queries that you run are kept here.' : 'No query fits.'}</p>}
        <div className="history options">
          {shown.slice(0, 100).map((entry, i) => (
            <button
              key={`${entry.at}${i}`}
              type="button"
              className="item"
              onClick={() => {
                setOpen(false);
                onChoose(entry.query);
              }}
            >
              <pre>{entry.query}</pre>
              <span className="faint">
                <Time at={entry.at} />
                {entry.error ? <span style={{ color: 'var(--danger)' }}> · failed</span> : typeof entry.rows === 'number' && <> · {entry.rows.toLocaleString('en-US')} rows</>}
                {entry.elapsedMs !== undefined && <> · {duration(entry.elapsedMs)}</>}
              </span>
            </button>
          ))}
        </div>
      </div>
    </Popover>
  );
}
