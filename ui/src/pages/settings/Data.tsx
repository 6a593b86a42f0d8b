// What is stored, how fast it grows, and what that costs.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { kqlQuery, number, text } from '../../api/kql';
import { healthQuery } from '../../api/queries';
import { settingsQuery, useSetting, type Settings } from '../../api/work';
import { Tile } from '../../components/Panel';
import { notify, notifyError } from '../../components/toast';
import { Dialog, ErrorNotice, Skeleton, Time } from '../../components/ui';
import { bytes } from '../../lib/bytes';
import { columnName } from '../../lib/kql';
import { useMay } from '../../lib/session';

const GIB = 1024 ** 3;
const WEEK = 7;

export function Data() {
  const { data, error, isPending, refetch } = useQuery(healthQuery);
  const { data: settings } = useQuery(settingsQuery);
  const admin = useMay('Administrator');
  const [pricing, setPricing] = useState(false);
  const held = (data?.tables ?? []).filter((table) => table.rows > 0);
  const names = held.map((table) => columnName(table.name));
  // What came in the last week, by the time of receipt, and how old the oldest row is.
  const grown = useQuery({
    ...kqlQuery(`union withsource=Table ${names.join(', ')}\n| summarize Week = countif(_TimeReceived > ago(${WEEK}d)), Day = countif(_TimeReceived > ago(1d)), Oldest = min(TimeGenerated), Newest = max(TimeGenerated), First = min(_TimeReceived) by Table`, undefined),
    enabled: names.length > 0,
    staleTime: 60_000,
  });
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />;
  if (isPending) return <Skeleton />;
  const facts = new Map((grown.data?.rows ?? []).map((row) => [text(row[0]), row]));
  const tables = held
    .map((table) => {
      const fact = facts.get(table.name);
      const perRow = table.rows === 0 ? 0 : table.bytes / table.rows;
      // A server that is younger than a week has fewer days to divide by.
      const days = fact === undefined ? WEEK : Math.min(WEEK, Math.max(1, (Date.now() - Date.parse(text(fact[5]))) / 86_400_000));
      const daily = (number(fact?.[1]) / days) * perRow;
      return { ...table, perRow, daily, day: number(fact?.[2]), oldest: text(fact?.[3]), newest: text(fact?.[4]) };
    })
    .sort((a, b) => b.bytes - a.bytes);
  const sum = (of: (table: (typeof tables)[number]) => number): number => tables.reduce((total, table) => total + of(table), 0);
  const stored = sum((table) => table.bytes);
  const daily = sum((table) => table.daily);
  const cost = settings?.cost;
  const money = (amount: number): string => (cost === undefined ? '–' : amount > 0 && amount < 0.01 ? `< ${(0.01).toLocaleString('en-US', { style: 'currency', currency: cost.currency })}` : amount.toLocaleString('en-US', { style: 'currency', currency: cost.currency, maximumFractionDigits: amount < 10 ? 2 : 0 }));
  const price = (size: number): number => (size / GIB) * (cost?.perGibMonth ?? 0);
  return (
    <>
      <div className="tiles" style={{ gridTemplateColumns: 'repeat(auto-fit, minmax(170px, 1fr))' }}>
        <Tile label="Stored" value={bytes(stored)} hint={`${sum((t) => t.rows).toLocaleString('en-US')} rows`} />
        <Tile label="Grows by" value={`${bytes(daily)}`} hint="a day, of the last week" />
        <Tile label="In a year" value={bytes(stored + daily * 365)} hint="when everything is kept" />
        <Tile label="Costs a month" value={cost === undefined ? '–' : money(price(stored))} hint={cost === undefined ? 'no price is set' : `${money(cost.perGibMonth)} a GiB and month`}>
          {admin && (
            <button type="button" className="link" style={{ alignSelf: 'flex-start' }} onClick={() => setPricing(true)}>
              {cost === undefined ? 'Set the price' : 'Change the price'}
            </button>
          )}
        </Tile>
      </div>
      <section className="card" style={{ overflow: 'auto' }} tabIndex={0} aria-label="Tables by size">
        <header>
          <h2 className="grow">Tables</h2>
          <span className="muted">largest first</span>
        </header>
        <table className="table number">
          <thead>
            <tr>
              <th>Table</th>
              <th style={{ textAlign: 'right' }}>Stored</th>
              <th style={{ textAlign: 'right' }}>Rows</th>
              <th style={{ textAlign: 'right' }}>Bytes a row</th>
              <th style={{ textAlign: 'right' }}>Rows, last day</th>
              <th style={{ textAlign: 'right' }}>Grows a day</th>
              <th>Oldest row</th>
              <th style={{ textAlign: 'right' }}>{cost === undefined ? 'Share' : 'A month'}</th>
            </tr>
          </thead>
          <tbody>
            {tables.map((table) => (
              <tr key={table.name}>
                <td>
                  <Link className="mono" to="/logs" search={{ q: `${columnName(table.name)}\n| take 50`, t: 'all' }}>
                    {table.name}
                  </Link>
                </td>
                <td style={{ textAlign: 'right' }}>{bytes(table.bytes)}</td>
                <td style={{ textAlign: 'right' }}>{table.rows.toLocaleString('en-US')}</td>
                <td style={{ textAlign: 'right' }}>{Math.round(table.perRow).toLocaleString('en-US')}</td>
                <td style={{ textAlign: 'right' }}>{table.day.toLocaleString('en-US')}</td>
                <td style={{ textAlign: 'right' }}>{bytes(table.daily)}</td>
                <td>{table.oldest === '' ? '–' : <Time at={table.oldest} />}</td>
                <td style={{ textAlign: 'right' }}>{cost === undefined ? `${Math.round((100 * table.bytes) / Math.max(1, stored))} %` : money(price(table.bytes))}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {tables.length === 0 && <p className="muted" style={{ padding: 14 }}>Nothing is stored yet.</p>}
      </section>
      <section className="card">
        <header>
          <h2>How long rows are kept</h2>
        </header>
        <div className="body column muted">
          <p>Everything is kept until somebody removes it: the tables are Delta Lake tables below the data directory, sorted into a folder a day, and compress to the bytes a row shown above.</p>
        </div>
      </section>
      <Dialog open={pricing} onOpenChange={setPricing} title="What storage costs">
        {pricing && <Price cost={cost} onDone={() => setPricing(false)} />}
      </Dialog>
    </>
  );
}

function Price({ cost, onDone }: { cost: Settings['cost']; onDone: () => void }) {
  const set = useSetting();
  const [currency, setCurrency] = useState(cost?.currency ?? 'EUR');
  const [price, setPrice] = useState(String(cost?.perGibMonth ?? 0.05));
  return (
    <form
      className="column"
      onSubmit={(event) => {
        event.preventDefault();
        set.mutate(
          { name: 'cost', value: { currency: currency.toUpperCase(), perGibMonth: Number(price) } },
          {
            onSuccess: () => {
              notify('The price is set');
              onDone();
            },
            onError: notifyError,
          },
        );
      }}
    >
      <div className="form-grid">
        <label className="field">
          <span className="label">A GiB and month</span>
          <input className="input" name="price" type="number" min={0} step="any" required value={price} onChange={(event) => setPrice(event.target.value)} />
        </label>
        <label className="field">
          <span className="label">Currency</span>
          <input className="input" name="currency" required pattern="[A-Za-z]{3}" title="three letters" value={currency} onChange={(event) => setCurrency(event.target.value)} />
        </label>
      </div>
      <div className="row end">
        <button type="submit" className="button primary" disabled={set.isPending}>
          Set it
        </button>
      </div>
    </form>
  );
}
