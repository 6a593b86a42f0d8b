// Indicators: what is known to be bad, from feeds and from people.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { Ban, Radar, Search, Upload } from 'lucide-react';
import { useState } from 'react';
import { kqlQuery, number, objects, text } from '../../api/kql';
import { importIndicators } from '../../api/work';
import { Tile } from '../../components/Panel';
import { notify, notifyError } from '../../components/toast';
import { CopyButton, Dialog, Empty, ErrorNotice, Skeleton, Time } from '../../components/ui';
import { readIndicators, type IndicatorKind } from '../../lib/indicators';
import { literal } from '../../lib/kql';
import { useMay } from '../../lib/session';

const PART = 200;
const KEYS: Record<string, [IndicatorKind, string]> = {
  'ipv4-addr:value': ['ipv4', 'Address'],
  'ipv6-addr:value': ['ipv6', 'Address'],
  'domain-name:value': ['domain', 'Domain'],
  'url:value': ['url', 'URL'],
  "file:hashes.'SHA-256'": ['sha256', 'SHA-256'],
  'x-container-image:value': ['image', 'Image'],
};

export function Indicators() {
  const search = useSearch({ from: '/app/intelligence' });
  const navigate = useNavigate({ from: '/intelligence' });
  const client = useQueryClient();
  const may = useMay('Contributor');
  const [importing, setImporting] = useState(false);
  const words = (search.search ?? '').trim();
  const where = words === '' ? '' : `\n| where ObservableValue contains ${literal(words)} or Description contains ${literal(words)} or SourceSystem contains ${literal(words)} or Tags contains ${literal(words)}`;
  const counts = useQuery(kqlQuery('ActiveIndicators\n| summarize Indicators = count(), Feeds = dcount(SourceSystem), Soon = countif(ValidUntil < now() + 7d), Newest = max(TimeGenerated)', undefined));
  const answer = useQuery(kqlQuery(`ActiveIndicators${where}\n| project ObservableValue, ObservableKey, SourceSystem, Confidence, Description, Tags, ValidUntil, TimeGenerated\n| sort by TimeGenerated desc, ObservableValue asc\n| take ${PART}`, undefined));
  const again = (): void => void client.invalidateQueries({ queryKey: ['kql'] });
  const [fact] = objects(counts.data);
  const rows = objects(answer.data);
  if (answer.error) return <ErrorNotice error={answer.error} retry={() => void answer.refetch()} />;
  if (answer.isPending) return <Skeleton />;
  const none = number(fact?.['Indicators']) === 0;
  return (
    <div className="page-scroll column" style={{ gap: 14 }}>
      {!none && (
        <div className="tiles">
          <Tile label="Active indicators" value={number(fact?.['Indicators']).toLocaleString('en-US')} />
          <Tile label="Feeds" value={number(fact?.['Feeds'])} />
          <Tile label="End within a week" value={number(fact?.['Soon']).toLocaleString('en-US')} />
          <Tile label="Newest" value={<Time at={text(fact?.['Newest'])} />} />
        </div>
      )}
      {none ? (
        <Empty icon={<Radar />} title="No indicators yet">
          <p>Indicators are addresses, names, digests and images that are known to be bad. Paste them, import a STIX 2.1 bundle, or let a feed send them: they lie in the table ThreatIntelIndicators, and matches with your logs are beside this page.</p>
          {may && (
            <button type="button" className="button primary" onClick={() => setImporting(true)}>
              <Upload className="icon small" /> Import indicators
            </button>
          )}
        </Empty>
      ) : (
        <section className="card" style={{ overflow: 'auto' }}>
          <div className="toolbar">
            <div className="search">
              <Search className="icon" />
              <input className="input" type="search" aria-label="Find an indicator" placeholder="Value, feed, tag" defaultValue={words} onChange={(event) => void navigate({ search: { ...search, search: event.target.value || undefined }, replace: true })} />
            </div>
            <span className="grow" />
            <Link className="button" to="/logs" search={{ q: 'ActiveIndicators\n| sort by TimeGenerated desc' }}>
              All in Logs
            </Link>
            {may && (
              <button type="button" className="button primary" onClick={() => setImporting(true)}>
                <Upload className="icon small" /> Import
              </button>
            )}
          </div>
          <table className="table">
            <thead>
              <tr>
                <th>Value</th>
                <th style={{ width: 90 }}>Kind</th>
                <th style={{ width: 140 }}>Feed</th>
                <th style={{ width: 90, textAlign: 'right' }}>Confidence</th>
                <th>Why</th>
                <th style={{ width: 120 }}>Until</th>
                {may && <th style={{ width: 44 }} aria-label="Take back" />}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => {
                const [kind, label] = KEYS[text(row['ObservableKey'])] ?? [undefined, text(row['ObservableKey'])];
                const value = text(row['ObservableValue']);
                return (
                  <tr key={`${value} ${text(row['SourceSystem'])}`}>
                    <td className="mono" style={{ overflowWrap: 'anywhere' }}>
                      {kind === 'ipv4' || kind === 'ipv6' ? (
                        <Link to="/entities/$kind" params={{ kind: 'address' }} search={{ name: value }}>
                          {value}
                        </Link>
                      ) : (
                        value
                      )}
                    </td>
                    <td>{label}</td>
                    <td>{text(row['SourceSystem'])}</td>
                    <td className="number" style={{ textAlign: 'right' }}>
                      {text(row['Confidence'])}
                    </td>
                    <td className="muted">{[text(row['Description']), text(row['Tags'])].filter((t) => t !== '').join(' · ')}</td>
                    <td>
                      <Until at={text(row['ValidUntil'])} />
                    </td>
                    {may && (
                      <td>
                        {kind !== undefined && (
                          <button type="button" className="button quiet small square" aria-label={`Take back ${value}`} title="Take back" onClick={() => void importIndicators(text(row['SourceSystem']), [{ kind, value, revoked: true }]).then(() => { notify(`${value} is taken back`); again(); }).catch(notifyError)}>
                            <Ban className="icon small" />
                          </button>
                        )}
                      </td>
                    )}
                  </tr>
                );
              })}
            </tbody>
          </table>
          {rows.length === 0 && <p className="muted" style={{ padding: 14 }}>No indicator fits.</p>}
          {rows.length === PART && <p className="faint" style={{ padding: 14 }}>The newest {PART} are shown; search for others.</p>}
        </section>
      )}
      <Dialog open={importing} onOpenChange={setImporting} title="Import indicators" description="One a line, value or value,why,confidence; or a STIX 2.1 bundle. Defanged values such as hxxp://bad[.]example are understood.">
        {importing && (
          <Import
            onDone={() => {
              setImporting(false);
              again();
            }}
          />
        )}
      </Dialog>
    </div>
  );
}

const Until = ({ at }: { at: string }) => <span className="number nowrap">{at.slice(0, 10)}</span>;

function Import({ onDone }: { onDone: () => void }) {
  const [source, setSource] = useState('manual');
  const [content, setContent] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const { indicators, refused } = readIndicators(content);
  const command = `curl -H "Authorization: Bearer $TAFFRAIL_TOKEN" ${location.origin}/api/v1/indicators --json '{"source":"my-feed","indicators":[{"kind":"ipv4","value":"203.0.113.7"}]}'`;
  return (
    <form
      className="column"
      onSubmit={(event) => {
        event.preventDefault();
        setBusy(true);
        setError(null);
        importIndicators(source, indicators)
          .then(({ stored }) => {
            notify(`${stored} ${stored === 1 ? 'indicator' : 'indicators'} taken in`);
            onDone();
          })
          .catch(setError)
          .finally(() => setBusy(false));
      }}
    >
      <label className="field">
        <span className="label">Feed</span>
        <input className="input" name="source" required maxLength={100} value={source} onChange={(event) => setSource(event.target.value)} />
      </label>
      <label className="field">
        <span className="label">Indicators</span>
        <textarea className="textarea code" name="indicators" spellCheck={false} value={content} onChange={(event) => setContent(event.target.value)} placeholder={'203.0.113.7,Scanner,90\nbad[.]example'} />
      </label>
      {content.trim() !== '' && (
        <span className="muted" role="status">
          {indicators.length} understood{refused.length > 0 && `, ${refused.length} not: ${refused.slice(0, 3).join(', ')}${refused.length > 3 ? ', …' : ''}`}
        </span>
      )}
      {error !== null && <ErrorNotice error={error} />}
      <details>
        <summary className="muted">From a program</summary>
        <div className="row" style={{ paddingTop: 6 }}>
          <code className="kql ellipsis grow">{command}</code>
          <CopyButton text={command} />
        </div>
      </details>
      <div className="row end">
        <button type="submit" className="button primary" disabled={busy || indicators.length === 0 || source.trim() === ''}>
          Take in {indicators.length > 0 ? indicators.length : ''}
        </button>
      </div>
    </form>
  );
}
