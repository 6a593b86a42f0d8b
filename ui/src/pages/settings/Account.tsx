import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { Monitor, Moon, Sun } from 'lucide-react';
import { useState } from 'react';
import { rememberSession, request } from '../../api/client';
import { sessionQuery, signOut } from '../../api/queries';
import type { DeviceSession, Session } from '../../api/types';
import { notify, notifyError } from '../../components/toast';
import { ErrorNotice, Time, Warning } from '../../components/ui';
import { useSession } from '../../lib/session';
import { chooseTheme, useThemeChoice, type Choice } from '../../lib/theme';

const MEANING = {
  Reader: 'sees everything, changes nothing',
  Responder: 'works on incidents',
  Contributor: 'works on incidents and content',
  Administrator: 'may do everything, users and tokens too',
};

const THEMES: [Choice, string, typeof Sun][] = [
  ['system', 'As the system', Monitor],
  ['light', 'Light', Sun],
  ['dark', 'Dark', Moon],
];

export function Account() {
  const session = useSession();
  const router = useRouter();
  const theme = useThemeChoice();
  return (
    <>
      {session.mustChange && <Warning>Your password was printed or given to you by somebody. Choose one that only you know.</Warning>}
      <section className="card">
        <header>
          <h2>Your account</h2>
        </header>
        <div className="body column">
          <dl className="facts">
            <dt>Name</dt>
            <dd>{session.user.name}</dd>
            <dt>Role</dt>
            <dd>
              {session.user.role}: {MEANING[session.user.role]}
            </dd>
          </dl>
          <div className="row" role="group" aria-label="Theme">
            {THEMES.map(([choice, label, Icon]) => (
              <button key={choice} type="button" className="button" aria-pressed={theme === choice} onClick={() => chooseTheme(choice)}>
                <Icon className="icon small" /> {label}
              </button>
            ))}
          </div>
          {!session.noAuth && (
            <div className="row">
              <button type="button" className="button" onClick={() => void signOut().then(() => router.invalidate()).catch(notifyError)}>
                Sign out
              </button>
            </div>
          )}
        </div>
      </section>
      {session.noAuth ? <Warning>This server runs without sign-in: everybody who reaches it on this machine is an administrator.</Warning> : <Password />}
      {!session.noAuth && <Devices />}
    </>
  );
}

function Password() {
  const client = useQueryClient();
  const [old, setOld] = useState('');
  const [fresh, setFresh] = useState('');
  const [again, setAgain] = useState('');
  const change = useMutation({
    mutationFn: () => request<Session>('/api/v1/session/password', { method: 'POST', body: { old, new: fresh } }),
    onSuccess: (session) => {
      rememberSession(session);
      client.setQueryData(sessionQuery.queryKey, session);
      void client.invalidateQueries({ queryKey: ['devices'] });
      setOld('');
      setFresh('');
      setAgain('');
      notify('Password changed. Your other sessions have ended.');
    },
  });
  const differs = again !== '' && fresh !== again;
  return (
    <section className="card">
      <header>
        <h2>Password</h2>
      </header>
      <form
        className="body column"
        style={{ maxWidth: 420 }}
        onSubmit={(event) => {
          event.preventDefault();
          if (fresh === again) change.mutate();
        }}
      >
        <label className="field">
          <span className="label">Present password</span>
          <input className="input" type="password" name="old" autoComplete="current-password" required value={old} onChange={(event) => setOld(event.target.value)} />
        </label>
        <label className="field">
          <span className="label">New password</span>
          <input className="input" type="password" name="new" autoComplete="new-password" required minLength={15} value={fresh} onChange={(event) => setFresh(event.target.value)} />
          <span className="hint">At least 15 characters. A few words in a row are easy to keep and hard to guess.</span>
        </label>
        <label className="field">
          <span className="label">New password again</span>
          <input className="input" type="password" name="again" autoComplete="new-password" required value={again} onChange={(event) => setAgain(event.target.value)} />
          {differs && <span className="hint" role="alert">The two are not the same.</span>}
        </label>
        {change.isError && <ErrorNotice error={change.error} />}
        <div className="row">
          <button type="submit" className="button primary" disabled={change.isPending || differs}>
            Change the password
          </button>
        </div>
      </form>
    </section>
  );
}

function Devices() {
  const client = useQueryClient();
  const { data, error } = useQuery({ queryKey: ['devices'], queryFn: ({ signal }) => request<DeviceSession[]>('/api/v1/session/all', { signal }) });
  const end = useMutation({
    mutationFn: (id: string) => request(`/api/v1/session/all/${encodeURIComponent(id)}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['devices'] }),
    onError: notifyError,
  });
  return (
    <section className="card">
      <header>
        <h2>Where you are signed in</h2>
      </header>
      {error && (
        <div className="body">
          <ErrorNotice error={error} />
        </div>
      )}
      <table className="table">
        <thead>
          <tr>
            <th>Browser</th>
            <th>Address</th>
            <th>Signed in</th>
            <th>Last seen</th>
            <th aria-label="Actions" />
          </tr>
        </thead>
        <tbody>
          {(data ?? []).map((device) => (
            <tr key={device.id}>
              <td style={{ maxWidth: 300 }} className="ellipsis" title={device.agent}>
                {device.agent}
              </td>
              <td className="mono">{device.address}</td>
              <td>
                <Time at={device.createdAt} />
              </td>
              <td>
                <Time at={device.lastSeen} />
              </td>
              <td>
                <button type="button" className="button small" onClick={() => end.mutate(device.id)}>
                  End
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
