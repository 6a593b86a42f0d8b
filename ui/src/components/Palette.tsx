// Ctrl K: one field that leads everywhere.
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { BookOpenText, Crosshair, Database, Fingerprint, Keyboard, LayoutDashboard, LibraryBig, Moon, Radar, Search, Settings, ShieldAlert, Sun, Swords, Table2, Workflow } from 'lucide-react';
import { useDeferredValue, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { incidentsQuery, rulesQuery, schemaQuery } from '../api/queries';
import { libraryQuery } from '../api/library';
import { ENTITIES, entityLabel, ofAlert, type EntityId } from '../lib/entities';
import { columnName } from '../lib/kql';
import { chooseTheme, useTheme } from '../lib/theme';
import { SeverityMark } from './marks';
import { Dialog } from './ui';

interface Target {
  key: string;
  group: string;
  label: string;
  hint?: ReactNode;
  icon: ReactNode;
  go: () => void;
}

export function Palette({ open, onOpenChange, onHelp }: { open: boolean; onOpenChange: (open: boolean) => void; onHelp: () => void }) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Go to" hideTitle className="palette">
      {open && (
        <Body
          close={() => onOpenChange(false)}
          onHelp={() => {
            onOpenChange(false);
            onHelp();
          }}
        />
      )}
    </Dialog>
  );
}

function Body({ close, onHelp }: { close: () => void; onHelp: () => void }) {
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState(0);
  const words = useDeferredValue(typed.trim());
  const list = useRef<HTMLDivElement>(null);
  const navigate = useNavigate();
  const theme = useTheme();
  const number = /^#?(\d+)$/.exec(words)?.[1];
  const { data: incidents } = useQuery({ ...incidentsQuery(words === '' || number !== undefined ? {} : { search: words }), staleTime: 5000 });
  const { data: rules } = useQuery({ ...rulesQuery, retry: false });
  const { data: schema } = useQuery({ ...schemaQuery, retry: false });
  const { data: workbooks } = useQuery({ ...libraryQuery('workbooks'), retry: false });
  const { data: hunts } = useQuery({ ...libraryQuery('hunting'), retry: false });
  const { data: queries } = useQuery({ ...libraryQuery<{ query?: string }>('queries'), retry: false });
  const { data: lists } = useQuery({ ...libraryQuery('watchlists'), retry: false });

  const targets = useMemo(() => {
    const fits = (text: string): boolean => words.toLowerCase().split(/\s+/).every((w) => text.toLowerCase().includes(w));
    const pages: Target[] = [
      { key: 'p0', group: 'Pages', label: 'Overview', icon: <LayoutDashboard className="icon" />, go: () => void navigate({ to: '/', search: {} }) },
      { key: 'p1', group: 'Pages', label: 'Incidents', icon: <ShieldAlert className="icon" />, go: () => void navigate({ to: '/incidents', search: { status: ['New', 'Active'] } }) },
      { key: 'p2', group: 'Pages', label: 'All incidents', icon: <ShieldAlert className="icon" />, go: () => void navigate({ to: '/incidents', search: {} }) },
      { key: 'p3', group: 'Pages', label: 'Logs', icon: <Search className="icon" />, go: () => void navigate({ to: '/logs', search: {} }) },
      { key: 'p4', group: 'Pages', label: 'Rules', icon: <BookOpenText className="icon" />, go: () => void navigate({ to: '/rules', search: {} }) },
      { key: 'pe', group: 'Pages', label: 'Entities', icon: <Fingerprint className="icon" />, go: () => void navigate({ to: '/entities', search: {} }) },
      { key: 'ph', group: 'Pages', label: 'Hunting', icon: <Crosshair className="icon" />, go: () => void navigate({ to: '/hunting', search: {} }) },
      { key: 'pw', group: 'Pages', label: 'Workbooks', icon: <LibraryBig className="icon" />, go: () => void navigate({ to: '/workbooks', search: {} }) },
      { key: 'pa', group: 'Pages', label: 'ATT&CK matrix', icon: <Swords className="icon" />, go: () => void navigate({ to: '/attack', search: {} }) },
      { key: 'pt', group: 'Pages', label: 'Threat matrix for Kubernetes', icon: <Swords className="icon" />, go: () => void navigate({ to: '/attack', search: { matrix: 'kubernetes' } }) },
      { key: 'pb', group: 'Pages', label: 'Bookmarks', icon: <Crosshair className="icon" />, go: () => void navigate({ to: '/hunting', search: { tab: 'bookmarks' } }) },
      { key: 'pl', group: 'Pages', label: 'Livestream', icon: <Crosshair className="icon" />, go: () => void navigate({ to: '/hunting', search: { tab: 'live' } }) },
      { key: 'prn', group: 'Pages', label: 'New rule', icon: <BookOpenText className="icon" />, go: () => void navigate({ to: '/rules/new', search: {} }) },
      { key: 'pi', group: 'Pages', label: 'Watchlists', icon: <Radar className="icon" />, go: () => void navigate({ to: '/intelligence', search: {} }) },
      { key: 'pj', group: 'Pages', label: 'Threat intelligence', icon: <Radar className="icon" />, go: () => void navigate({ to: '/intelligence', search: { tab: 'indicators' } }) },
      { key: 'pk', group: 'Pages', label: 'Indicators seen in the logs', icon: <Radar className="icon" />, go: () => void navigate({ to: '/intelligence', search: { tab: 'matches' } }) },
      { key: 'pu', group: 'Pages', label: 'Automation', icon: <Workflow className="icon" />, go: () => void navigate({ to: '/automation', search: {} }) },
      { key: 'ps', group: 'Pages', label: 'Sources', icon: <Database className="icon" />, go: () => void navigate({ to: '/sources', search: {} }) },
      { key: 'pc', group: 'Pages', label: 'Connect a source', icon: <Database className="icon" />, go: () => void navigate({ to: '/sources', search: { tab: 'connect' } }) },
      { key: 'p5', group: 'Pages', label: 'Settings: your account', icon: <Settings className="icon" />, go: () => void navigate({ to: '/settings/account' }) },
      { key: 'p6', group: 'Pages', label: 'Settings: users', icon: <Settings className="icon" />, go: () => void navigate({ to: '/settings/users' }) },
      { key: 'p7', group: 'Pages', label: 'Settings: tokens', icon: <Settings className="icon" />, go: () => void navigate({ to: '/settings/tokens' }) },
      { key: 'pr', group: 'Pages', label: 'Settings: roles', icon: <Settings className="icon" />, go: () => void navigate({ to: '/settings/roles' }) },
      { key: 'pd', group: 'Pages', label: 'Settings: data and cost', icon: <Settings className="icon" />, go: () => void navigate({ to: '/settings/data' }) },
      { key: 'pq', group: 'Pages', label: 'Settings: audit trail', icon: <Settings className="icon" />, go: () => void navigate({ to: '/settings/trail' }) },
      { key: 'p8', group: 'Pages', label: 'Settings: health and version', icon: <Settings className="icon" />, go: () => void navigate({ to: '/settings/about' }) },
      {
        key: 'p9',
        group: 'Pages',
        label: theme === 'dark' ? 'Use the light theme' : 'Use the dark theme',
        icon: theme === 'dark' ? <Sun className="icon" /> : <Moon className="icon" />,
        go: () => chooseTheme(theme === 'dark' ? 'light' : 'dark'),
      },
      { key: 'p10', group: 'Pages', label: 'Keyboard help', icon: <Keyboard className="icon" />, go: onHelp },
    ];
    const found: Target[] = [];
    if (number !== undefined) {
      found.push({ key: 'number', group: 'Incidents', label: `Incident ${number}`, icon: <ShieldAlert className="icon" />, go: () => void navigate({ to: '/incidents/$number', params: { number } }) });
    }
    found.push(...pages.filter((p) => fits(p.label)));
    for (const incident of (incidents?.items ?? []).slice(0, 6)) {
      if (number !== undefined) break;
      found.push({
        key: `i${incident.number}`,
        group: 'Incidents',
        label: `#${incident.number} ${incident.title}`,
        hint: <SeverityMark severity={incident.severity} />,
        icon: <ShieldAlert className="icon" />,
        go: () => void navigate({ to: '/incidents/$number', params: { number: String(incident.number) } }),
      });
    }
    if (words !== '') {
      for (const rule of (rules ?? []).filter((r) => fits(`${r.name} ${r.techniques.join(' ')}`)).slice(0, 6)) {
        found.push({ key: `r${rule.id}`, group: 'Rules', label: rule.name, icon: <BookOpenText className="icon" />, go: () => void navigate({ to: '/rules/$id', params: { id: rule.id } }) });
      }
      for (const item of (workbooks ?? []).filter((w) => fits(w.name)).slice(0, 5)) {
        found.push({ key: `w${item.id}`, group: 'Workbooks', label: item.name, icon: <LibraryBig className="icon" />, go: () => void navigate({ to: '/workbooks/$id', params: { id: item.id }, search: {} as never }) });
      }
      for (const item of (hunts ?? []).filter((h) => fits(h.name)).slice(0, 5)) {
        found.push({ key: `h${item.id}`, group: 'Hunting queries', label: item.name, icon: <Crosshair className="icon" />, go: () => void navigate({ to: '/hunting', search: { id: item.id } }) });
      }
      for (const item of (queries ?? []).filter((q) => fits(q.name)).slice(0, 5)) {
        found.push({ key: `q${item.id}`, group: 'Saved queries', label: item.name, icon: <Search className="icon" />, go: () => void navigate({ to: '/logs', search: { q: item.body.query ?? '' } }) });
      }
      for (const item of (lists ?? []).filter((l) => fits(l.name)).slice(0, 4)) {
        found.push({ key: `l${item.id}`, group: 'Watchlists', label: item.name, icon: <Radar className="icon" />, go: () => void navigate({ to: '/intelligence', search: { id: item.id } }) });
      }
      // Entities of the incidents that are found, and what was typed as the name of one.
      const named = new Map<string, EntityId>();
      for (const entity of (incidents?.items ?? []).flatMap((incident) => incident.entities)) {
        const id = ofAlert(entity);
        if (id !== null && fits(id.name)) named.set(`${id.kind} ${id.namespace ?? ''}/${id.name}`, id);
      }
      for (const [key, id] of [...named].slice(0, 6)) {
        found.push({ key: `e${key}`, group: 'Entities', label: entityLabel(id), hint: <span className="faint">{ENTITIES[id.kind].label}</span>, icon: <Fingerprint className="icon" />, go: () => void navigate({ to: '/entities/$kind', params: { kind: id.kind }, search: { name: id.name, namespace: id.namespace } }) });
      }
      found.push({ key: 'find', group: 'Entities', label: `Find entities called “${words}”`, icon: <Fingerprint className="icon" />, go: () => void navigate({ to: '/entities', search: { search: words } }) });
      for (const table of (schema?.tables ?? []).filter((t) => fits(t.name)).slice(0, 5)) {
        found.push({
          key: `t${table.name}`,
          group: 'Tables',
          label: table.name,
          hint: <span className="faint">open in Logs</span>,
          icon: <Table2 className="icon" />,
          go: () => void navigate({ to: '/logs', search: { q: `${columnName(table.name)}\n| take 50` } }),
        });
      }
    }
    return found;
  }, [words, number, incidents, rules, workbooks, hunts, queries, lists, schema, theme, navigate, onHelp]);

  useEffect(() => setAt(0), [words]);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [at]);

  const choose = (target: Target | undefined): void => {
    if (target === undefined) return;
    close();
    target.go();
  };

  return (
    <>
      <div className="palette-input">
        <Search className="icon" />
        <input
          autoFocus
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          placeholder="Page, incident, entity, rule, query, workbook, table…"
          aria-label="Go to"
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={targets[at] ? `palette-${targets[at].key}` : undefined}
          onKeyDown={(event) => {
            if (event.key === 'ArrowDown') setAt(Math.min(at + 1, targets.length - 1));
            else if (event.key === 'ArrowUp') setAt(Math.max(at - 1, 0));
            else if (event.key === 'Enter') choose(targets[at]);
            else return;
            event.preventDefault();
          }}
        />
        <kbd>Esc</kbd>
      </div>
      <div className="palette-list options" id="palette-list" role="listbox" ref={list}>
        {targets.length === 0 && <p className="muted" style={{ padding: 14 }}>Nothing is called that.</p>}
        {targets.map((target, i) => (
          <div key={target.key}>
            {target.group !== targets[i - 1]?.group && <div className="caption">{target.group}</div>}
            <div id={`palette-${target.key}`} className="item" role="option" aria-selected={i === at} onMouseMove={() => setAt(i)} onClick={() => choose(target)}>
              {target.icon}
              <span className="grow ellipsis">{target.label}</span>
              {target.hint}
            </div>
          </div>
        ))}
      </div>
    </>
  );
}
