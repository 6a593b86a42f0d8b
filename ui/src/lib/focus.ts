// One part of the time and one selection for everything an incident's page shows; both are in the address.
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { Alert, Entity, IncidentDetail } from '../api/types';
import { alertNode, entityNode } from './graph';
import { timeline, type Moment } from './timeline';

export interface Focus {
  /** Node of the graph: an alert or an entity */
  selected: string | null;
  from: number | null;
  to: number | null;
  /** Everything that happened */
  moments: Moment[];
  /** What of it is in the chosen part of the time and concerns the selection */
  shown: Moment[];
  isNarrowed: boolean;
  concernsAlert: (alert: Alert) => boolean;
  concernsEntity: (entity: Entity) => boolean;
  setTime: (from: number | null, to: number | null) => void;
  select: (id: string | null) => void;
  clear: () => void;
}

const instant = (text: string | undefined): number | null => {
  const at = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(at) ? null : at;
};

/** Whether an event names an entity. */
export function names(moment: Moment, name: string): boolean {
  if (moment.kind !== 'event') return true;
  const word = name.toLowerCase();
  return moment.row.some((value) => typeof value === 'string' && value.toLowerCase().includes(word)) || moment.summary.toLowerCase().includes(word);
}

export function useFocus(incident: IncidentDetail): Focus {
  const search = useSearch({ from: '/app/incidents/$number' });
  const navigate = useNavigate({ from: '/incidents/$number' });
  const moments = useMemo(() => timeline(incident.alerts), [incident.alerts]);
  return useMemo(() => {
    const selected = search.sel ?? null;
    const from = instant(search.from);
    const to = instant(search.to);
    const inTime = (at: number): boolean => from === null || to === null || (at >= from && at <= to);
    const entity = incident.alerts.flatMap((alert) => alert.entities).find((one) => entityNode(one) === selected);
    const named = (alert: Alert): boolean => selected === null || alertNode(alert) === selected || alert.entities.some((one) => entityNode(one) === selected);
    const shown = moments.filter((moment) => inTime(moment.at) && named(moment.alert) && (entity === undefined || names(moment, entity.name)));
    const live = new Set(moments.filter((moment) => inTime(moment.at)).map((moment) => moment.alert.id));
    const concernsAlert = (alert: Alert): boolean => named(alert) && live.has(alert.id);
    const set = (change: Partial<typeof search>): void => void navigate({ search: { ...search, ...change }, replace: true });
    return {
      selected,
      from,
      to,
      moments,
      shown,
      isNarrowed: selected !== null || from !== null,
      concernsAlert,
      concernsEntity: (one) => entityNode(one) === selected || incident.alerts.some((alert) => concernsAlert(alert) && alert.entities.some((other) => entityNode(other) === entityNode(one))),
      setTime: (a, b) => set({ from: a === null ? undefined : new Date(a).toISOString(), to: b === null ? undefined : new Date(b).toISOString() }),
      select: (id) => set({ sel: id === null || id === selected ? undefined : id }),
      clear: () => set({ sel: undefined, from: undefined, to: undefined }),
    };
  }, [search, incident.alerts, moments, navigate]);
}

/** What the selection is called. */
export function selectionName(incident: IncidentDetail, selected: string | null): string | null {
  if (selected === null) return null;
  for (const alert of incident.alerts) {
    if (alertNode(alert) === selected) return alert.title;
    const entity = alert.entities.find((one) => entityNode(one) === selected);
    if (entity !== undefined) return entity.name;
  }
  return selected.slice(selected.indexOf(' ') + 1);
}
