// The exact text to paste for a source, and a light that goes on with its first event.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { ArrowLeft, SquareArrowOutUpRight } from 'lucide-react';
import { useState } from 'react';
import { healthQuery } from '../../api/queries';
import type { LibraryItem } from '../../api/types';
import { Panel } from '../../components/Panel';
import { CopyButton } from '../../components/ui';
import { milliseconds } from '../../lib/freshness';
import { Markdown } from '../../lib/markdown';
import { useMay } from '../../lib/session';

/** What a file under content/sources says. */
interface Source {
  family: string;
  tables: string[];
  views: string[];
  formats: { name: string; state: string }[];
  transports: string[];
  connect: string;
  query: string;
  sample: string;
  /** Milliseconds after which silence is a sign of trouble */
  silence: number | undefined;
}

const string = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');
const strings = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);

export function readSource(body: unknown): Source {
  const from = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const formats = Array.isArray(from['formats']) ? (from['formats'] as Record<string, unknown>[]) : [];
  return {
    family: string(from['family']) || string(from['category']) || 'Sources',
    tables: strings(from['tables']),
    views: strings(from['views']),
    formats: formats.map((format) => ({ name: string(format['name']), state: string(format['state']) })),
    transports: strings(from['transports']),
    connect: string(from['connect']),
    query: string(from['query']),
    sample: string(from['sample']),
    silence: milliseconds(string(from['silence'])),
  };
}

/** ENDPOINT, HOST and CLUSTER of a description, as they are here. The token stays a word: nobody's token is shown twice. */
const filled = (text: string, cluster: string): string =>
  text
    .replaceAll(/\bENDPOINT\b/g, location.origin)
    .replaceAll(/\bHOST\b/g, location.hostname)
    .replaceAll(/\bCLUSTER\b/g, cluster);

export function Connect({ item, rows }: { item: LibraryItem | null; rows: Map<string, number> }) {
  const admin = useMay('Administrator');
  const [cluster, setCluster] = useState('my-cluster');
  // Looks every few seconds while somebody waits for the first event.
  useQuery({ ...healthQuery, refetchInterval: 3000 });
  if (item === null) return <Audit arrived={rows.get('KubernetesAudit') ?? 0} />;
  const source = readSource(item.body);
  const arrived = source.tables.reduce((sum, table) => sum + (rows.get(table) ?? 0), 0);
  const text = filled(source.connect, cluster === '' ? 'my-cluster' : cluster);
  return (
    <div className="column measure" style={{ gap: 14 }}>
      <Link to="/sources" search={{ tab: 'connect' }} className="row">
        <ArrowLeft className="icon small" /> All sources
      </Link>
      <div>
        <h2 style={{ fontSize: 17 }}>{item.name}</h2>
        <Markdown text={item.description} />
      </div>
      <First arrived={arrived} tables={source.tables} />
      {source.connect !== '' && (
        <Panel title="To paste" about={admin ? 'TOKEN is an ingestion token from Settings, Tokens: it may only send' : 'TOKEN is an ingestion token; an administrator makes it'} actions={<CopyButton text={text} />}>
          <div style={{ padding: 14 }} className="column">
            <div className="row wrap">
              <label className="row">
                <span className="muted">Name of the cluster</span>
                <input className="input" style={{ width: 190 }} value={cluster} onChange={(event) => setCluster(event.target.value.replace(/[^\w.-]/g, ''))} />
              </label>
              {admin && (
                <Link to="/settings/tokens" className="button">
                  Make a token
                </Link>
              )}
            </div>
            <pre className="block" tabIndex={0}>
              {text}
            </pre>
          </div>
        </Panel>
      )}
      <div className="panels">
        <Panel title="What is understood" span={6}>
          <ul className="list">
            {source.formats.map((format) => (
              <li key={format.name}>
                <span className="grow">{format.name}</span>
                <span className="chip">{format.state}</span>
              </li>
            ))}
            {source.transports.map((transport) => (
              <li key={transport} className="muted">
                {transport}
              </li>
            ))}
          </ul>
        </Panel>
        <Panel title="Where it goes" span={6}>
          <div style={{ padding: 14 }} className="column">
            <div className="chips">
              {[...source.tables, ...source.views].map((table) => (
                <Link key={table} to="/logs" search={{ q: `${table}\n| take 50` }} className="chip mono">
                  {table}
                </Link>
              ))}
            </div>
            {source.query !== '' && (
              <>
                <h3 className="muted">A first query</h3>
                <pre className="block kql" tabIndex={0}>
                  {source.query}
                </pre>
                <Link to="/logs" search={{ q: source.query }} className="button" style={{ alignSelf: 'flex-start' }}>
                  <SquareArrowOutUpRight className="icon small" /> Open in Logs
                </Link>
              </>
            )}
          </div>
        </Panel>
        {source.sample !== '' && (
          <Panel title="A record of it" span={12} actions={<CopyButton text={source.sample} />}>
            <div style={{ padding: 14 }}>
              <pre className="block" tabIndex={0} style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
                {source.sample}
              </pre>
            </div>
          </Panel>
        )}
      </div>
    </div>
  );
}

function First({ arrived, tables }: { arrived: number; tables: string[] }) {
  return (
    <div className={`notice ${arrived > 0 ? 'ok' : ''}`} role="status">
      <i className="state" style={{ marginTop: 5 }} data-state={arrived > 0 ? 'ok' : undefined} />
      {arrived > 0 ? (
        <span>
          Events arrive: {arrived.toLocaleString('en-US')} rows in {tables.join(', ')}.
        </span>
      ) : (
        <span>Waiting for the first event{tables.length > 0 ? ` in ${tables.join(', ')}` : ''}…</span>
      )}
    </div>
  );
}

/** The source that most rules read, always at hand. */
function Audit({ arrived }: { arrived: number }) {
  const webhook = `apiVersion: v1
kind: Config
clusters:
  - name: taffrail
    cluster:
      server: ${location.origin}/ingest/kubernetes-audit/my-cluster
users:
  - name: taffrail
    user:
      token: TOKEN
contexts:
  - name: taffrail
    context: { cluster: taffrail, user: taffrail }
current-context: taffrail`;
  const file = `curl -H 'Authorization: Bearer TOKEN' --data-binary @audit.log \\
  ${location.origin}/ingest/kubernetes-audit/my-cluster`;
  return (
    <div className="panels">
      <Panel title="Audit log of a cluster, by its webhook" about="The file of --audit-webhook-config-file of the API server" span={6} actions={<CopyButton text={webhook} />}>
        <div style={{ padding: 14 }} className="column">
          <First arrived={arrived} tables={['KubernetesAudit']} />
          <pre className="block" tabIndex={0}>
            {webhook}
          </pre>
        </div>
      </Panel>
      <Panel title="Audit log from a file" about="JSON lines, lists of events, gzip or zstd: recognised by content" span={6} actions={<CopyButton text={file} />}>
        <div style={{ padding: 14 }} className="column">
          <p className="muted">TOKEN is an ingestion token from Settings, Tokens. It may only send. The last part of the address names the cluster.</p>
          <pre className="block" tabIndex={0}>
            {file}
          </pre>
        </div>
      </Panel>
    </div>
  );
}
