// Which address shows which page. What is chosen on a page is in the address too.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
import { queryClient, sessionQuery } from './api/queries';
import { Broken, NotFound, Shell } from './components/Shell';
import { parseSearch, stringifySearch, text } from './lib/address';
import { parseQueue } from './lib/filters';
import { Queue } from './pages/incidents/Queue';
import { IncidentPage } from './pages/incidents/IncidentPage';
import { SignIn } from './pages/SignIn';

const root = createRootRoute({ errorComponent: Broken, notFoundComponent: NotFound });

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (raw): { next?: string } => {
    const next = text(raw['next']);
    // Only a page of this portal: nothing that leads to another host.
    return next !== undefined && /^\/(?![/\\])/.test(next) ? { next } : {};
  },
  component: SignIn,
});

const app = createRoute({
  getParentRoute: () => root,
  id: 'app',
  beforeLoad: async ({ location }) => {
    const session = await queryClient.ensureQueryData(sessionQuery);
    if (session === null) throw redirect({ to: '/sign-in', search: location.href === '/' ? {} : { next: location.href } });
    return { session };
  },
  component: Shell,
  errorComponent: Broken,
  notFoundComponent: NotFound,
});

const home = createRoute({
  getParentRoute: () => app,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/incidents', search: { status: ['New', 'Active'] }, replace: true });
  },
});

const incidents = createRoute({
  getParentRoute: () => app,
  path: '/incidents',
  validateSearch: parseQueue,
  component: Queue,
});

export const TABS = ['overview', 'alerts', 'entities', 'activity'] as const;
export type Tab = (typeof TABS)[number];

const incident = createRoute({
  getParentRoute: () => app,
  path: '/incidents/$number',
  validateSearch: (raw): { tab?: Tab; alert?: string } => {
    const tab = text(raw['tab']) as Tab | undefined;
    const alert = text(raw['alert']);
    return { ...(tab !== undefined && TABS.includes(tab) ? { tab } : {}), ...(alert === undefined ? {} : { alert }) };
  },
  component: IncidentPage,
});

const logs = createRoute({
  getParentRoute: () => app,
  path: '/logs',
  validateSearch: (raw): { q?: string; t?: string; view?: 'table' | 'chart' } => {
    const view = text(raw['view']);
    return { q: text(raw['q']), t: text(raw['t']), view: view === 'chart' || view === 'table' ? view : undefined };
  },
  component: lazyRouteComponent(() => import('./pages/logs/Logs'), 'Logs'),
});

const rules = createRoute({
  getParentRoute: () => app,
  path: '/rules',
  validateSearch: (raw): { search?: string; severity?: string; kind?: string; tactic?: string } => ({
    search: text(raw['search']),
    severity: text(raw['severity']),
    kind: text(raw['kind']),
    tactic: text(raw['tactic']),
  }),
  component: lazyRouteComponent(() => import('./pages/rules/Rules'), 'Rules'),
});

const rule = createRoute({
  getParentRoute: () => app,
  path: '/rules/$id',
  component: lazyRouteComponent(() => import('./pages/rules/RulePage'), 'RulePage'),
});

const settings = createRoute({
  getParentRoute: () => app,
  path: '/settings',
  component: lazyRouteComponent(() => import('./pages/settings/Settings'), 'Settings'),
});
const settingsHome = createRoute({
  getParentRoute: () => settings,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/settings/account', replace: true });
  },
});
const account = createRoute({ getParentRoute: () => settings, path: 'account', component: lazyRouteComponent(() => import('./pages/settings/Account'), 'Account') });
const users = createRoute({ getParentRoute: () => settings, path: 'users', component: lazyRouteComponent(() => import('./pages/settings/Users'), 'Users') });
const tokens = createRoute({ getParentRoute: () => settings, path: 'tokens', component: lazyRouteComponent(() => import('./pages/settings/Tokens'), 'Tokens') });
const about = createRoute({ getParentRoute: () => settings, path: 'about', component: lazyRouteComponent(() => import('./pages/settings/About'), 'About') });

export const router = createRouter({
  routeTree: root.addChildren([
    signIn,
    app.addChildren([home, incidents, incident, logs, rules, rule, settings.addChildren([settingsHome, account, users, tokens, about])]),
  ]),
  parseSearch: (search) => parseSearch(search),
  stringifySearch,
  defaultPreload: false,
  scrollRestoration: false,
  defaultNotFoundComponent: NotFound,
  defaultErrorComponent: Broken,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
