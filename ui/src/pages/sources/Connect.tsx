// The exact text to paste for a source, and a light that goes on with its first event.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { ArrowLeft } from 'lucide-react';
import { healthQuery } from '../../api/queries';
import type { LibraryItem } from '../../api/types';
import { Panel } from '../../components/Panel';
import { CopyButton } from '../../components/ui';
import { Markdown } from '../../lib/markdown';
import { useMay } from '../../lib/session';

interface Step {
  title: string;
  text: string;
  code: string;
}

const string = (value: unknown): string => (typeof value === 'string' ? value : '');
/** What a description may call its address and its place for the token. */
const filled = (text: string, source: string): string =>
  text
    .replaceAll(/\{\{\s*(?:url|address|TAFFRAIL_URL)\s*\}\}|\$\{?TAFFRAIL_URL\}?|https?:\/\/taffrail\.example(?:\.com)?(?::\d+)?/g, location.origin)
    .replaceAll(/\{\{\s*source\s*\}\}/g, source);

function steps(body: unknown): Step[] {
  const from = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const listed = [from['steps'], from['connect'], from['instructions']].find(Array.isArray);
  if (Array.isArray(listed)) {
    return listed.map((step: unknown, i) => {
      if (typeof step === 'string') return { title: `Step ${i + 1}`, text: step, code: '' };
      const one = (step ?? {}) as Record<string, unknown>;
      return { title: string(one['title'] ?? one['name']) || `Step ${i + 1}`, text: string(one['text'] ?? one['about'] ?? one['description']), code: string(one['code'] ?? one['paste'] ?? one['config'] ?? one['command'] ?? one['snippet']) };
    });
  }
  const connect = from['connect'];
  if (typeof connect === 'object' && connect !== null) return Object.entries(connect as Record<string, unknown>).map(([title, code]) => ({ title, text: '', code: string(code) }));
  const prose = string(from['connect'] ?? from['instructions'] ?? from['text']);
  return prose === '' ? [] : [{ title: 'Connect', text: prose, code: '' }];
}

export function Connect({ item, rows }: { item: LibraryItem | null; rows: Map<string, number> }) {
  const admin = useMay('Administrator');
  // Looks every few seconds while somebody waits for the first event.
  useQuery({ ...healthQuery, refetchInterval: 3000 });
  if (item === null) return <Audit arrived={rows.get('KubernetesAudit') ?? 0} />;
  const body = (item.body ?? {}) as Record<string, unknown>;
  const tables = Array.isArray(body['tables']) ? body['tables'].map(String) : [];
  const arrived = tables.reduce((sum, table) => sum + (rows.get(table) ?? 0), 0);
  return (
    <div className="column measure">
      <Link to="/sources" search={{ tab: 'connect' }} className="row">
        <ArrowLeft className="icon small" /> All sources
      </Link>
      <h2 style={{ fontSize: 17 }}>{item.name}</h2>
      <Markdown text={item.description} />
      <First arrived={arrived} tables={tables} />
      {admin && (
        <p>
          Its sender needs an ingestion token: <Link to="/settings/tokens">make one</Link>.
        </p>
      )}
      {steps(item.body).map((step) => (
        <Panel key={step.title} title={step.title} actions={step.code === '' ? undefined : <CopyButton text={filled(step.code, item.id)} />}>
          <div style={{ padding: 14 }} className="column">
            {step.text !== '' && <Markdown text={filled(step.text, item.id)} />}
            {step.code !== '' && (
              <pre className="block" tabIndex={0}>
                {filled(step.code, item.id)}
              </pre>
            )}
          </div>
        </Panel>
      ))}
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
      token: tfr_…
contexts:
  - name: taffrail
    context: { cluster: taffrail, user: taffrail }
current-context: taffrail`;
  const file = `curl -H 'Authorization: Bearer tfr_…' --data-binary @audit.log \\
  ${location.origin}/ingest/kubernetes-audit/my-cluster`;
  return (
    <div className="panels">
      <Panel title="Audit log of a cluster, as its webhook" about="The file of --audit-webhook-config-file of the API server" span={6} actions={<CopyButton text={webhook} />}>
        <div style={{ padding: 14 }} className="column">
          <First arrived={arrived} tables={['KubernetesAudit']} />
          <pre className="block" tabIndex={0}>
            {webhook}
          </pre>
        </div>
      </Panel>
      <Panel title="Audit log from a file" about="JSON lines, lists of events, gzip or zstd: recognised by content" span={6} actions={<CopyButton text={file} />}>
        <div style={{ padding: 14 }} className="column">
          <p className="muted">
            The token is an ingestion token from Settings, Tokens. It may only send. The last part of the address names the cluster.
          </p>
          <pre className="block" tabIndex={0}>
            {file}
          </pre>
        </div>
      </Panel>
    </div>
  );
}
