// What pages ask for, with one key for each thing.
import { QueryClient, keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { queueToApi, type QueueSearch } from '../lib/filters';
import { ApiError, rememberSession, request } from './client';
import type { Health, HistoryEntry, Incident, IncidentChange, IncidentDetail, IncidentPage, Rule, SchemaAnswer, Session, Token, UserAccount } from './types';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
  },
});

/** Lists are sometimes wrapped in `items`. */
type Listed<T> = T[] | { items: T[] };
const unwrap = <T>(answer: Listed<T>): T[] => (Array.isArray(answer) ? answer : answer.items);

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  staleTime: Infinity,
  retry: false,
  queryFn: async (): Promise<Session | null> => {
    try {
      const session = await request<Session>('/api/v1/session');
      rememberSession(session);
      return session;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },
});

export async function signIn(username: string, password: string): Promise<Session> {
  const session = await request<Session>('/api/v1/session', { method: 'POST', body: { username, password } });
  rememberSession(session);
  queryClient.clear();
  queryClient.setQueryData(sessionQuery.queryKey, session);
  return session;
}

export async function signOut(): Promise<void> {
  await request('/api/v1/session', { method: 'DELETE' });
  forgetSession();
}

export function forgetSession(): void {
  rememberSession(null);
  queryClient.clear();
  queryClient.setQueryData(sessionQuery.queryKey, null);
}

export const incidentsQuery = (queue: QueueSearch) =>
  queryOptions({
    queryKey: ['incidents', queueToApi(queue)],
    queryFn: ({ signal }) => request<IncidentPage>(`/api/v1/incidents${queueToApi(queue)}`, { signal }),
    placeholderData: keepPreviousData,
  });

export const incidentQuery = (number: number) =>
  queryOptions({
    queryKey: ['incident', number],
    queryFn: ({ signal }) => request<IncidentDetail>(`/api/v1/incidents/${number}`, { signal }),
  });

/** Writes a changed incident into every list that shows it, where it stands. */
export function patchLists(client: QueryClient, changed: Incident): void {
  client.setQueriesData<IncidentPage>({ queryKey: ['incidents'] }, (page) =>
    page === undefined ? page : { ...page, items: page.items.map((item) => (item.number === changed.number ? { ...item, ...changed } : item)) },
  );
}

export function useChangeIncident() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ number, change }: { number: number; change: IncidentChange }) =>
      request<Incident>(`/api/v1/incidents/${number}`, { method: 'PATCH', body: change }),
    onSuccess: (answer, { number, change }) => {
      const changed = (answer ?? { number, ...change }) as Incident;
      patchLists(client, { ...changed, number });
      void client.invalidateQueries({ queryKey: ['incident', number] });
    },
  });
}

export function useComment(number: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (message: string) => request(`/api/v1/incidents/${number}/comments`, { method: 'POST', body: { message } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['incident', number] }),
  });
}

export const schemaQuery = queryOptions({
  queryKey: ['schema'],
  staleTime: 5 * 60_000,
  queryFn: ({ signal }) => request<SchemaAnswer>('/api/v1/schema', { signal }),
});

export const historyQuery = queryOptions({
  queryKey: ['history'],
  staleTime: 0,
  queryFn: async ({ signal }) => unwrap(await request<Listed<HistoryEntry>>('/api/v1/history', { signal })),
});

export const rulesQuery = queryOptions({
  queryKey: ['rules'],
  queryFn: async ({ signal }) => unwrap(await request<Listed<Rule>>('/api/v1/rules', { signal })),
});

export const ruleQuery = (id: string) =>
  queryOptions({
    queryKey: ['rule', id],
    queryFn: ({ signal }) => request<Rule>(`/api/v1/rules/${encodeURIComponent(id)}`, { signal }),
  });

export const usersQuery = queryOptions({
  queryKey: ['users'],
  queryFn: async ({ signal }) => unwrap(await request<Listed<UserAccount>>('/api/v1/users', { signal })),
});

export const tokensQuery = queryOptions({
  queryKey: ['tokens'],
  queryFn: async ({ signal }) => unwrap(await request<Listed<Token>>('/api/v1/tokens', { signal })),
});

export const healthQuery = queryOptions({
  queryKey: ['health'],
  refetchInterval: 15_000,
  queryFn: ({ signal }) => request<Health>('/api/v1/health', { signal }),
});
