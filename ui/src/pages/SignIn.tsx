import { useQuery } from '@tanstack/react-query';
import { useRouter, useSearch } from '@tanstack/react-router';
import { CircleAlert } from 'lucide-react';
import { useEffect, useState, type FormEvent } from 'react';
import { ApiError } from '../api/client';
import { sessionQuery, signIn } from '../api/queries';
import { Logo } from '../components/Logo';
import { useTitle } from '../lib/hooks';
import { duration } from '../lib/time';

/** What the answer of the server means for somebody who wants to get in. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 0) return error.message;
  if (error.status === 401) return 'The name or the password is wrong.';
  if (error.status === 429 || error.status === 423) {
    return error.retryAfter === null
      ? 'Too many wrong attempts: this account is locked for a while. Try again in a few minutes, or ask an administrator.'
      : `Too many wrong attempts: this account is locked for ${duration(error.retryAfter * 1000)}.`;
  }
  return error.message;
}

export function SignIn() {
  useTitle('Sign in');
  const { next } = useSearch({ from: '/sign-in' });
  const router = useRouter();
  const { data: session } = useQuery(sessionQuery);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    if (session) router.history.replace(next ?? '/');
  }, [session, next, router]);

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    signIn(name.trim(), password)
      .catch((reason: unknown) => {
        setError(reason);
        setPassword('');
      })
      .finally(() => setBusy(false));
  };

  return (
    <main className="sign-in">
      <form onSubmit={submit} aria-label="Sign in">
        <div className="brand">
          <Logo />
          Taffrail
        </div>
        <h1 className="sr">Sign in to Taffrail</h1>
        {error !== null && (
          <div className="notice error" role="alert">
            <CircleAlert className="icon" />
            <span>{explain(error)}</span>
          </div>
        )}
        <label className="field">
          <span className="label">Name</span>
          <input className="input" name="username" autoComplete="username" autoFocus required value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <label className="field">
          <span className="label">Password</span>
          <input className="input" name="password" type="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
        </label>
        <button type="submit" className="button primary" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
        <p className="faint" style={{ fontSize: 12 }}>
          On the first start the server prints the administrator's name and one-time password.
        </p>
      </form>
    </main>
  );
}
