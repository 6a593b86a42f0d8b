import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { KeyRound } from 'lucide-react';
import { useState } from 'react';
import { request } from '../../api/client';
import { tokensQuery } from '../../api/queries';
import type { Role, Token } from '../../api/types';
import { notify } from '../../components/toast';
import { Dialog, Empty, ErrorNotice, Skeleton, Time } from '../../components/ui';
import { Secret } from './Secret';

export function Tokens() {
  const client = useQueryClient();
  const { data, error, isPending, refetch } = useQuery(tokensQuery);
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<{ name: string; token: string } | null>(null);
  const [revoking, setRevoking] = useState<Token | null>(null);
  const renew = (): Promise<void> => client.invalidateQueries({ queryKey: tokensQuery.queryKey });
  const revoke = useMutation({
    mutationFn: (id: string) => request(`/api/v1/tokens/${encodeURIComponent(id)}`, { method: 'DELETE' }),
    onSuccess: async () => {
      notify(`Token ${revoking?.name ?? ''} revoked`);
      setRevoking(null);
      await renew();
    },
  });
  return (
    <section className="card">
      <header>
        <h2 className="grow">Tokens</h2>
        <button type="button" className="button primary" onClick={() => setAdding(true)}>
          <KeyRound className="icon small" /> Make a token
        </button>
      </header>
      {made && (
        <div className="body">
          <Secret title={`Token ${made.name}`} secret={made.token} onDone={() => setMade(null)}>
            Shown this once: the server keeps only a hash of it.
          </Secret>
        </div>
      )}
      {error && (
        <div className="body">
          <ErrorNotice error={error} retry={() => void refetch()} />
        </div>
      )}
      {isPending && <Skeleton lines={4} />}
      {data?.length === 0 && (
        <Empty icon={<KeyRound />} title="No tokens yet">
          <p>An ingestion token lets a machine send events and do nothing else. An API token acts with the role that you give it.</p>
        </Empty>
      )}
      {data && data.length > 0 && (
        <table className="table">
          <thead>
            <tr>
              <th>Name</th>
              <th>May</th>
              <th>Made</th>
              <th>Last used</th>
              <th>Ends</th>
              <th aria-label="Actions" />
            </tr>
          </thead>
          <tbody>
            {data.map((token) => (
              <tr key={token.id}>
                <td>
                  <b>{token.name}</b>
                </td>
                <td>
                  {token.kind === 'ingest' ? `send ${token.source ?? 'any source'}${token.cluster ? ` of ${token.cluster}` : ''}` : `act as ${token.role ?? ''}`}
                </td>
                <td>
                  <Time at={token.createdAt} /> {token.createdBy && <span className="faint">by {token.createdBy}</span>}
                </td>
                <td>{token.lastUsed ? <Time at={token.lastUsed} /> : <span className="faint">never</span>}</td>
                <td>{token.expiresAt ? <Time at={token.expiresAt} /> : <span className="faint">never</span>}</td>
                <td style={{ textAlign: 'right' }}>
                  <button type="button" className="button small danger" onClick={() => setRevoking(token)}>
                    Revoke
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <MakeToken
        open={adding}
        onOpenChange={setAdding}
        onMade={(name, token) => {
          setAdding(false);
          setMade({ name, token });
          void renew();
        }}
      />
      <Dialog open={revoking !== null} onOpenChange={(open) => !open && setRevoking(null)} title={`Revoke ${revoking?.name ?? ''}`} description="Whatever uses it is refused from now on. This cannot be undone.">
        {revoke.isError && <ErrorNotice error={revoke.error} />}
        <div className="row end">
          <button type="button" className="button" onClick={() => setRevoking(null)}>
            Cancel
          </button>
          <button type="button" className="button danger" onClick={() => revoking && revoke.mutate(revoking.id)}>
            Revoke
          </button>
        </div>
      </Dialog>
    </section>
  );
}

function MakeToken({ open, onOpenChange, onMade }: { open: boolean; onOpenChange: (open: boolean) => void; onMade: (name: string, token: string) => void }) {
  const [name, setName] = useState('');
  const [kind, setKind] = useState<'ingest' | 'api'>('ingest');
  const [role, setRole] = useState<Role>('Reader');
  const [cluster, setCluster] = useState('');
  const [days, setDays] = useState('365');
  const make = useMutation({
    mutationFn: () => {
      const expiresAt = days === '' ? {} : { expiresAt: new Date(Date.now() + Number(days) * 86_400_000).toISOString() };
      const scope = kind === 'ingest' ? (cluster.trim() === '' ? {} : { cluster: cluster.trim() }) : { role };
      return request<Token & { token: string }>('/api/v1/tokens', { method: 'POST', body: { name: name.trim(), kind, ...scope, ...expiresAt } });
    },
    onSuccess: (answer) => {
      setName('');
      onMade(answer.name, answer.token);
    },
  });
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Make a token">
      <form
        className="column"
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <label className="field">
          <span className="label">Name</span>
          <input className="input" name="name" required autoFocus placeholder="audit webhook of prod" value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <div className="choice" role="radiogroup" aria-label="Kind">
          <label>
            <input type="radio" name="kind" checked={kind === 'ingest'} onChange={() => setKind('ingest')} />
            <span>
              <b>Ingestion</b>
              <br />
              <span className="muted">Sends events and can read nothing.</span>
            </span>
          </label>
          <label>
            <input type="radio" name="kind" checked={kind === 'api'} onChange={() => setKind('api')} />
            <span>
              <b>API</b>
              <br />
              <span className="muted">Queries and incidents, with a role.</span>
            </span>
          </label>
        </div>
        {kind === 'ingest' ? (
          <label className="field">
            <span className="label">Only for this cluster (optional)</span>
            <input className="input" name="cluster" value={cluster} onChange={(event) => setCluster(event.target.value)} />
          </label>
        ) : (
          <label className="field">
            <span className="label">Role</span>
            <select className="select" value={role} onChange={(event) => setRole(event.target.value as Role)}>
              <option>Reader</option>
              <option>Responder</option>
              <option>Contributor</option>
              <option>Administrator</option>
            </select>
          </label>
        )}
        <label className="field">
          <span className="label">Ends</span>
          <select className="select" value={days} onChange={(event) => setDays(event.target.value)}>
            <option value="30">in 30 days</option>
            <option value="90">in 90 days</option>
            <option value="365">in a year</option>
            <option value="">never</option>
          </select>
        </label>
        {make.isError && <ErrorNotice error={make.error} />}
        <div className="row end">
          <button type="button" className="button" onClick={() => onOpenChange(false)}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={make.isPending}>
            Make the token
          </button>
        </div>
      </form>
    </Dialog>
  );
}
