// The frame of every page: navigation, palette, help, live connection.
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouter } from '@tanstack/react-router';
import { BookOpenText, Compass, Crosshair, Database, Fingerprint, KeyRound, LayoutDashboard, LibraryBig, Keyboard, LogOut, Monitor, Moon, PanelLeftClose, PanelLeftOpen, Radar, Search, Settings, ShieldAlert, Sun, Swords, TriangleAlert, User, Workflow } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { connect, useIncidentEvents, useLive } from '../api/events';
import { incidentsQuery, queryClient, signOut } from '../api/queries';
import { readStored, store, useKeys } from '../lib/hooks';
import { useSession } from '../lib/session';
import { chooseTheme, useThemeChoice } from '../lib/theme';
import { Logo } from './Logo';
import { Help } from './Help';
import { Palette } from './Palette';
import { ErrorNotice, Menu, Tip } from './ui';
import { notifyError } from './toast';

const PAGES: { to: '/' | '/incidents' | '/entities' | '/logs' | '/hunting' | '/workbooks' | '/rules' | '/attack' | '/intelligence' | '/automation' | '/sources' | '/settings'; label: string; icon: typeof Search; search: { status?: string[] }; exact?: boolean }[] = [
  { to: '/', label: 'Overview', icon: LayoutDashboard, search: {}, exact: true },
  { to: '/incidents', label: 'Incidents', icon: ShieldAlert, search: { status: ['New', 'Active'] } },
  { to: '/entities', label: 'Entities', icon: Fingerprint, search: {} },
  { to: '/logs', label: 'Logs', icon: Search, search: {} },
  { to: '/hunting', label: 'Hunting', icon: Crosshair, search: {} },
  { to: '/workbooks', label: 'Workbooks', icon: LibraryBig, search: {} },
  { to: '/rules', label: 'Rules', icon: BookOpenText, search: {} },
  { to: '/attack', label: 'ATT&CK', icon: Swords, search: {} },
  { to: '/intelligence', label: 'Intelligence', icon: Radar, search: {} },
  { to: '/automation', label: 'Automation', icon: Workflow, search: {} },
  { to: '/sources', label: 'Sources', icon: Database, search: {} },
  { to: '/settings', label: 'Settings', icon: Settings, search: {} },
];

const OPEN = incidentsQuery({ status: ['New'] });

export function Shell() {
  const [narrow, setNarrow] = useState(() => readStored('taffrail.nav.narrow', false));
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const session = useSession();
  const theme = useThemeChoice();
  const live = useLive();
  const navigate = useNavigate();
  const router = useRouter();
  const { data: open } = useQuery(OPEN);

  useEffect(connect, []);
  // Many changes at once are one more look at the count.
  const recount = useRef<ReturnType<typeof setTimeout> | null>(null);
  useIncidentEvents(() => {
    recount.current ??= setTimeout(() => {
      recount.current = null;
      void queryClient.invalidateQueries({ queryKey: OPEN.queryKey });
    }, 1000);
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        setPalette((before) => !before);
      }
    };
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  }, []);
  useKeys({ '?': () => setHelp(true) });

  const nextTheme = theme === 'system' ? 'light' : theme === 'light' ? 'dark' : 'system';
  const ThemeIcon = theme === 'system' ? Monitor : theme === 'light' ? Sun : Moon;

  return (
    <div className="shell" data-narrow={narrow}>
      <a href="#main" className="skip button">
        Skip to the page
      </a>
      <nav className="nav" aria-label="Pages">
        <Link to="/" search={{}} className="brand" aria-label="Taffrail">
          <Logo />
          <span className="text">Taffrail</span>
        </Link>
        <button type="button" className="item" onClick={() => setPalette(true)}>
          <Compass className="icon" />
          <span className="text grow">Go to…</span>
          <kbd>⌃K</kbd>
        </button>
        {PAGES.map(({ to, label, icon: Icon, search, ...more }) => (
          <Link key={to} to={to} search={search as never} className="item" title={label} activeOptions={{ includeSearch: false, exact: more.exact === true }}>
            <Icon className="icon" />
            <span className="text">{label}</span>
            {to === '/incidents' && (open?.total ?? 0) > 0 && (
              <span className="count" title="new incidents">
                {open?.total}
              </span>
            )}
          </Link>
        ))}
        <div className="bottom">
          {session.mustChange && (
            <Tip text="Your password was printed or given to you. Choose one that only you know.">
              <Link to="/settings/account" className="item" style={{ color: 'var(--warn)' }}>
                <KeyRound className="icon" />
                <span className="text">Choose a password</span>
              </Link>
            </Tip>
          )}
          <div className="live" data-state={live ? 'live' : 'away'} role="status">
            <i />
            <span className="text">{live ? 'Live' : 'Reconnecting…'}</span>
          </div>
          <Tip text={`Theme: ${theme}. Change to ${nextTheme}.`}>
            <button type="button" className="item" onClick={() => chooseTheme(nextTheme)}>
              <ThemeIcon className="icon" />
              <span className="text">{theme === 'system' ? 'System theme' : theme === 'light' ? 'Light theme' : 'Dark theme'}</span>
            </button>
          </Tip>
          <button
            type="button"
            className="item narrow"
            onClick={() => {
              setNarrow(!narrow);
              store('taffrail.nav.narrow', !narrow);
            }}
            title={narrow ? 'Widen the navigation' : 'Narrow the navigation'}
          >
            {narrow ? <PanelLeftOpen className="icon" /> : <PanelLeftClose className="icon" />}
            <span className="text">{narrow ? 'Widen' : 'Narrow'}</span>
          </button>
          <Menu
            trigger={
              <button type="button" className="item" aria-label={`You: ${session.user.name}`}>
                <span className="avatar" aria-hidden="true" data-initials={session.user.name.slice(0, 2)} />
                <span className="text ellipsis">{session.user.name}</span>
              </button>
            }
            caption={`${session.user.name} · ${session.user.role}`}
            items={[
              { key: 'account', label: 'Your account', icon: <User className="icon" />, onSelect: () => void navigate({ to: '/settings/account' }) },
              { key: 'keys', label: 'Keyboard', icon: <Keyboard className="icon" />, hint: <kbd>?</kbd>, onSelect: () => setHelp(true) },
              'line',
              {
                key: 'out',
                label: 'Sign out',
                icon: <LogOut className="icon" />,
                onSelect: () => {
                  signOut()
                    .then(() => router.invalidate())
                    .catch(notifyError);
                },
              },
            ]}
          />
        </div>
      </nav>
      <main id="main" className="shell-main">
        <Outlet />
      </main>
      <Palette open={palette} onOpenChange={setPalette} onHelp={() => setHelp(true)} />
      <Help open={help} onOpenChange={setHelp} />
    </div>
  );
}

/** A page failed to draw: say so, and offer the way on. */
export function Broken({ error, reset }: { error: unknown; reset?: () => void }) {
  return (
    <div style={{ padding: 32, maxWidth: 720 }} className="column">
      <div className="row">
        <TriangleAlert className="icon" />
        <h1>This page could not be shown</h1>
      </div>
      <ErrorNotice
        error={error}
        retry={() => {
          if (reset) reset();
          else location.reload();
        }}
      />
      <p className="muted">
        Nothing was lost on the server. <a href="/">Go to the overview</a>, or reload. When it happens again, the browser's console has the details.
      </p>
    </div>
  );
}

export function NotFound() {
  return (
    <div className="empty" style={{ minHeight: '60vh' }}>
      <Compass />
      <h2>There is no such page</h2>
      <p>The address may be from another version, or a letter is missing.</p>
      <div className="row">
        <a className="button primary" href="/incidents">
          Incidents
        </a>
        <a className="button" href="/logs">
          Logs
        </a>
      </div>
    </div>
  );
}
