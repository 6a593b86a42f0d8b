// Tasks and findings of incidents, indicators, settings, the trail of actions, answers as files.
import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { stringifySearch } from '../lib/address';
import { request, requestFile } from './client';
import type * as S from './schema';
import type { Evidence, Entity, Incident, Severity, Task } from './types';

export function useTasks(number: number) {
  const client = useQueryClient();
  const onSuccess = () => client.invalidateQueries({ queryKey: ['incident', number] });
  const path = `/api/v1/incidents/${number}/tasks`;
  const add = useMutation({ mutationFn: (task: { title: string; description?: string }) => request<Task>(path, { method: 'POST', body: task }), onSuccess });
  const change = useMutation({ mutationFn: ({ id, ...body }: { id: string; title?: string; done?: boolean }) => request<Task>(`${path}/${id}`, { method: 'PATCH', body }), onSuccess });
  const remove = useMutation({ mutationFn: (id: string) => request(`${path}/${id}`, { method: 'DELETE' }), onSuccess });
  return { add, change, remove };
}

export interface FindingBody {
  id: string;
  title: string;
  note: string;
  query: string;
  evidence: Evidence;
  entities: Entity[];
  tactics: string[];
  techniques: string[];
  cluster: string;
  firstActivity: string;
  lastActivity: string;
}

export const openIncident = (body: { title: string; description: string; severity: Severity; findings: FindingBody[] }): Promise<Incident> => request('/api/v1/incidents', { method: 'POST', body });
export const addFinding = (number: number, body: FindingBody): Promise<Incident> => request(`/api/v1/incidents/${number}/findings`, { method: 'POST', body });

export interface TrailSearch {
  who?: string;
  kind?: string;
  search?: string;
  since?: string;
  until?: string;
  offset?: number;
}

export const TRAIL_PAGE = 100;

export const trailQuery = (search: TrailSearch) =>
  queryOptions({
    queryKey: ['trail', search],
    staleTime: 5_000,
    queryFn: ({ signal }) => request<S.TrailPage>(`/api/v1/activity${stringifySearch({ ...search, limit: TRAIL_PAGE })}`, { signal }),
  });

export interface Settings {
  cost?: S.CostSetting;
}

export const settingsQuery = queryOptions({
  queryKey: ['settings'],
  staleTime: 60_000,
  queryFn: ({ signal }) => request<Settings>('/api/v1/settings', { signal }),
});

export function useSetting() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ name, value }: { name: keyof Settings; value: unknown }) => request(`/api/v1/settings/${name}`, { method: 'PUT', body: value }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['settings'] }),
  });
}

export const importIndicators = (source: string, indicators: unknown[]): Promise<{ stored: number }> => request('/api/v1/indicators', { method: 'POST', body: { source, indicators } });

/** The answer to a query as a Parquet file, made by the server. */
export const parquet = (query: string, timespan: string | undefined): Promise<Blob> => requestFile('/api/v1/query/export', { method: 'POST', body: timespan === undefined ? { query } : { query, timespan } });
