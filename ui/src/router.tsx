// Which address shows which page. What is chosen on a page is in the address too.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect, retainSearchParams } from '@tanstack/react-router';
import { queryClient, sessionQuery } from './api/queries';
import { Broken, NotFound, Shell } from './components/Shell';
import { parseSearch, stringifySearch, text } from './lib/address';
import { parseQueue } from './lib/filters';
import { INCIDENT_TABS, type IncidentTab } from './lib/incident';
import { ENTITY_KINDS, type EntityKind } from './lib/entities';
import { SignIn } from './pages/SignIn';

const dropEmpty = <T extends object>(search: T): T => Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as T;
/** A parameter with a few possible values; anything else is as if it were not there. */
const oneOf = <T extends string>(value: unknown, values: readonly T[]): T | undefined => values.find((v) => v === text(value));

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

/** Range and cluster go with the person from page to page. */
interface ScopeSearch {
  t?: string;
  cluster?: string;
}

const app = createRoute({
  getParentRoute: () => root,
  id: 'app',
  validateSearch: (raw): ScopeSearch => dropEmpty({ t: text(raw['t']), cluster: text(raw['cluster']) }),
  search: { middlewares: [retainSearchParams<ScopeSearch>(['t', 'cluster'])] },
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
  component: lazyRouteComponent(() => import('./pages/overview/Overview'), 'Overview'),
});

const attack = createRoute({
  getParentRoute: () => app,
  path: '/attack',
  validateSearch: (raw): { matrix?: 'kubernetes'; color?: 'alerts' | 'data'; technique?: string } =>
    dropEmpty({ matrix: oneOf(raw['matrix'], ['kubernetes'] as const), color: oneOf(raw['color'], ['alerts', 'data'] as const), technique: text(raw['technique']) }),
  component: lazyRouteComponent(() => import('./pages/attack/Attack'), 'Attack'),
});

const entities = createRoute({
  getParentRoute: () => app,
  path: '/entities',
  validateSearch: (raw): { kind?: EntityKind; search?: string } => dropEmpty({ kind: oneOf(raw['kind'], ENTITY_KINDS), search: text(raw['search']) }),
  component: lazyRouteComponent(() => import('./pages/entities/Entities'), 'Entities'),
});

const entity = createRoute({
  getParentRoute: () => app,
  path: '/entities/$kind',
  validateSearch: (raw): { name?: string; namespace?: string; tab?: 'timeline' | 'alerts'; events?: 'all' } =>
    dropEmpty({ name: text(raw['name']), namespace: text(raw['namespace']), tab: oneOf(raw['tab'], ['timeline', 'alerts'] as const), events: oneOf(raw['events'], ['all'] as const) }),
  component: lazyRouteComponent(() => import('./pages/entities/EntityPage'), 'EntityPage'),
});

const hunting = createRoute({
  getParentRoute: () => app,
  path: '/hunting',
  validateSearch: (raw): { tab?: 'bookmarks' | 'live'; tag?: string; q?: string; id?: string; search?: string; tactic?: string; found?: 'yes' } =>
    dropEmpty({ tab: oneOf(raw['tab'], ['bookmarks', 'live'] as const), tag: text(raw['tag']), q: text(raw['q']), id: text(raw['id']), search: text(raw['search']), tactic: text(raw['tactic']), found: oneOf(raw['found'], ['yes'] as const) }),
  component: lazyRouteComponent(() => import('./pages/hunting/Hunting'), 'Hunting'),
});

const workbooks = createRoute({
  getParentRoute: () => app,
  path: '/workbooks',
  validateSearch: (raw): { search?: string } => dropEmpty({ search: text(raw['search']) }),
  component: lazyRouteComponent(() => import('./pages/workbooks/Workbooks'), 'Workbooks'),
});

const workbook = createRoute({
  getParentRoute: () => app,
  path: '/workbooks/$id',
  // Parameters of the workbook are `p-NAME`.
  validateSearch: (raw): { edit?: 'yes'; tab?: string } & Record<`p-${string}`, string | string[]> => ({
    ...dropEmpty({ edit: oneOf(raw['edit'], ['yes'] as const), tab: text(raw['tab']) }),
    ...(Object.fromEntries(Object.entries(raw).filter(([name]) => name.startsWith('p-'))) as Record<`p-${string}`, string | string[]>),
  }),
  component: lazyRouteComponent(() => import('./pages/workbooks/WorkbookPage'), 'WorkbookPage'),
});

const sources = createRoute({
  getParentRoute: () => app,
  path: '/sources',
  validateSearch: (raw): { tab?: 'connect' | 'refused'; id?: string; reason?: string } =>
    dropEmpty({ tab: oneOf(raw['tab'], ['connect', 'refused'] as const), id: text(raw['id']), reason: text(raw['reason']) }),
  component: lazyRouteComponent(() => import('./pages/sources/Sources'), 'Sources'),
});

const incidents = createRoute({
  getParentRoute: () => app,
  path: '/incidents',
  validateSearch: parseQueue,
  component: lazyRouteComponent(() => import('./pages/incidents/Queue'), 'Queue'),
});

const incident = createRoute({
  getParentRoute: () => app,
  path: '/incidents/$number',
  validateSearch: (raw): { tab?: IncidentTab; alert?: string; sel?: string; from?: string; to?: string } =>
    dropEmpty({ tab: oneOf(raw['tab'], INCIDENT_TABS), alert: text(raw['alert']), sel: text(raw['sel']), from: text(raw['from']), to: text(raw['to']) }),
  component: lazyRouteComponent(() => import('./pages/incidents/IncidentPage'), 'IncidentPage'),
});

const logs = createRoute({
  getParentRoute: () => app,
  path: '/logs',
  validateSearch: (raw): { q?: string; view?: 'table' | 'chart' | 'plan' } => {
    const view = text(raw['view']);
    return { q: text(raw['q']), view: oneOf(view, ['chart', 'table', 'plan'] as const) };
  },
  component: lazyRouteComponent(() => import('./pages/logs/Logs'), 'Logs'),
});

const rules = createRoute({
  getParentRoute: () => app,
  path: '/rules',
  validateSearch: (raw): { search?: string; severity?: string; kind?: string; tactic?: string; found?: 'yes'; sort?: 'alerts' | 'name' } => ({
    found: oneOf(raw['found'], ['yes'] as const),
    sort: oneOf(raw['sort'], ['alerts', 'name'] as const),
    search: text(raw['search']),
    severity: text(raw['severity']),
    kind: text(raw['kind']),
    tactic: text(raw['tactic']),
  }),
  component: lazyRouteComponent(() => import('./pages/rules/Rules'), 'Rules'),
});

const ruleNew = createRoute({
  getParentRoute: () => app,
  path: '/rules/new',
  validateSearch: (raw): { q?: string; name?: string; from?: string } => dropEmpty({ q: text(raw['q']), name: text(raw['name']), from: text(raw['from']) }),
  component: lazyRouteComponent(() => import('./pages/rules/Wizard'), 'Wizard'),
});

const intelligence = createRoute({
  getParentRoute: () => app,
  path: '/intelligence',
  validateSearch: (raw): { tab?: 'indicators' | 'matches'; id?: string; search?: string } => dropEmpty({ tab: oneOf(raw['tab'], ['indicators', 'matches'] as const), id: text(raw['id']), search: text(raw['search']) }),
  component: lazyRouteComponent(() => import('./pages/intelligence/Intelligence'), 'Intelligence'),
});

const automation = createRoute({
  getParentRoute: () => app,
  path: '/automation',
  component: lazyRouteComponent(() => import('./pages/automation/Automation'), 'Automation'),
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
const roles = createRoute({ getParentRoute: () => settings, path: 'roles', component: lazyRouteComponent(() => import('./pages/settings/Roles'), 'Roles') });
const data = createRoute({ getParentRoute: () => settings, path: 'data', component: lazyRouteComponent(() => import('./pages/settings/Data'), 'Data') });
const trail = createRoute({
  getParentRoute: () => settings,
  path: 'trail',
  validateSearch: (raw): { who?: string; kind?: string; search?: string; page?: number } => {
    const page = Number(text(raw['page']));
    return dropEmpty({ who: text(raw['who']), kind: text(raw['kind']), search: text(raw['search']), page: Number.isInteger(page) && page > 1 ? page : undefined });
  },
  component: lazyRouteComponent(() => import('./pages/settings/Trail'), 'Trail'),
});
const about = createRoute({ getParentRoute: () => settings, path: 'about', component: lazyRouteComponent(() => import('./pages/settings/About'), 'About') });

export const router = createRouter({
  routeTree: root.addChildren([
    signIn,
    app.addChildren([home, attack, entities, entity, hunting, workbooks, workbook, sources, incidents, incident, logs, rules, ruleNew, rule, intelligence, automation, settings.addChildren([settingsHome, account, users, roles, tokens, data, trail, about])]),
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
