import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Ellipsis, UserPlus } from 'lucide-react';
import { useState } from 'react';
import { request } from '../../api/client';
import { usersQuery } from '../../api/queries';
import type { Role, UserAccount } from '../../api/types';
import { Owner } from '../../components/marks';
import { notify, notifyError } from '../../components/toast';
import { Dialog, ErrorNotice, Menu, Skeleton, Time } from '../../components/ui';
import { useSession } from '../../lib/session';
import { Secret } from './Secret';

const ROLES: Role[] = ['Reader', 'Responder', 'Contributor', 'Administrator'];
type Made = UserAccount & { password?: string };

export function Users() {
  const client = useQueryClient();
  const { user: me } = useSession();
  const { data, error, isPending, refetch } = useQuery(usersQuery);
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<{ name: string; password: string } | null>(null);
  const [removing, setRemoving] = useState<string | null>(null);
  const renew = (): Promise<void> => client.invalidateQueries({ queryKey: usersQuery.queryKey });
  const path = (name: string): string => `/api/v1/users/${encodeURIComponent(name)}`;

  const change = useMutation({
    mutationFn: ({ name, body }: { name: string; body: object }) => request(path(name), { method: 'PATCH', body }),
    onSuccess: async (_, { name }) => {
      notify(`${name} changed`);
      await renew();
    },
    onError: notifyError,
  });
  const reset = useMutation({
    mutationFn: (name: string) => request<Made>(`${path(name)}/password`, { method: 'POST', body: {} }),
    onSuccess: async (answer, name) => {
      if (answer.password) setMade({ name, password: answer.password });
      await renew();
    },
    onError: notifyError,
  });
  const remove = useMutation({
    mutationFn: (name: string) => request(path(name), { method: 'DELETE' }),
    onSuccess: async (_, name) => {
      setRemoving(null);
      notify(`${name} removed`);
      await renew();
    },
  });

  return (
    <section className="card">
      <header>
        <h2 className="grow">Users</h2>
        <button type="button" className="button primary" onClick={() => setAdding(true)}>
          <UserPlus className="icon small" /> Add a user
        </button>
      </header>
      {made && (
        <div className="body">
          <Secret title={`The password of ${made.name}`} secret={made.password} onDone={() => setMade(null)}>
            Shown this once. Hand it over safely; it has to be changed at the first sign-in.
          </Secret>
        </div>
      )}
      {error && (
        <div className="body">
          <ErrorNotice error={error} retry={() => void refetch()} />
        </div>
      )}
      {isPending && <Skeleton lines={4} />}
      {data && (
        <table className="table">
          <thead>
            <tr>
              <th>Name</th>
              <th>Role</th>
              <th>Last sign-in</th>
              <th>State</th>
              <th aria-label="Actions" />
            </tr>
          </thead>
          <tbody>
            {data.map((user) => (
              <tr key={user.name}>
                <td>
                  <Owner name={user.name} me={me.name} />
                  {user.displayName && user.displayName !== user.name && <span className="muted">{user.displayName}</span>}
                </td>
                <td>
                  <select
                    className="select"
                    style={{ width: 140 }}
                    aria-label={`Role of ${user.name}`}
                    value={user.role}
                    disabled={user.name === me.name}
                    onChange={(event) => change.mutate({ name: user.name, body: { role: event.target.value } })}
                  >
                    {ROLES.map((role) => (
                      <option key={role}>{role}</option>
                    ))}
                  </select>
                </td>
                <td>{user.lastSignIn ? <Time at={user.lastSignIn} /> : <span className="faint">never</span>}</td>
                <td>{user.disabled ? 'Off' : user.mustChange ? 'Has a one-time password' : 'On'}</td>
                <td style={{ textAlign: 'right' }}>
                  {user.name !== me.name && (
                    <Menu
                      align="end"
                      trigger={
                        <button type="button" className="button quiet square" aria-label={`Actions for ${user.name}`}>
                          <Ellipsis className="icon" />
                        </button>
                      }
                      items={[
                        { key: 'reset', label: 'Make a new one-time password', onSelect: () => reset.mutate(user.name) },
                        { key: 'off', label: user.disabled ? 'Let sign in again' : 'Do not let sign in', onSelect: () => change.mutate({ name: user.name, body: { disabled: !user.disabled } }) },
                        'line',
                        { key: 'remove', label: 'Remove…', onSelect: () => setRemoving(user.name) },
                      ]}
                    />
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <AddUser
        open={adding}
        onOpenChange={setAdding}
        onMade={(user) => {
          setAdding(false);
          void renew();
          if (user.password) setMade({ name: user.name, password: user.password });
          else notify(`${user.name} added`);
        }}
      />
      <Dialog open={removing !== null} onOpenChange={(open) => !open && setRemoving(null)} title={`Remove ${removing ?? ''}`} description="Comments and changes keep the name. The person can no longer sign in.">
        {remove.isError && <ErrorNotice error={remove.error} />}
        <div className="row end">
          <button type="button" className="button" onClick={() => setRemoving(null)}>
            Cancel
          </button>
          <button type="button" className="button danger" onClick={() => removing !== null && remove.mutate(removing)}>
            Remove
          </button>
        </div>
      </Dialog>
    </section>
  );
}

function AddUser({ open, onOpenChange, onMade }: { open: boolean; onOpenChange: (open: boolean) => void; onMade: (user: Made) => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('Responder');
  const add = useMutation({
    mutationFn: () => request<Made>('/api/v1/users', { method: 'POST', body: { name: name.trim(), role } }),
    onSuccess: (user) => {
      setName('');
      onMade(user);
    },
  });
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Add a user" description="A one-time password is made and shown to you.">
      <form
        className="column"
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <label className="field">
          <span className="label">Name to sign in with</span>
          <input className="input" name="name" required autoFocus value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <label className="field">
          <span className="label">Role</span>
          <select className="select" value={role} onChange={(event) => setRole(event.target.value as Role)}>
            <option value="Reader">Reader: sees everything</option>
            <option value="Responder">Responder: works on incidents</option>
            <option value="Contributor">Contributor: incidents and content</option>
            <option value="Administrator">Administrator: everything</option>
          </select>
        </label>
        {add.isError && <ErrorNotice error={add.error} />}
        <div className="row end">
          <button type="button" className="button" onClick={() => onOpenChange(false)}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={add.isPending}>
            Add
          </button>
        </div>
      </form>
    </Dialog>
  );
}
