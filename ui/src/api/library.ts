// Workbooks, hunting queries, sources, watchlists, saved queries, bookmarks and views.
import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { request } from './client';
import type { LibraryItem } from './types';

export type LibraryKind = 'workbooks' | 'hunting' | 'sources' | 'queries' | 'views' | 'watchlists' | 'bookmarks';

export const libraryQuery = <Body = unknown>(kind: LibraryKind) =>
  queryOptions({
    queryKey: ['library', kind],
    staleTime: 60_000,
    queryFn: ({ signal }) => request<LibraryItem<Body>[]>(`/api/v1/library/${kind}`, { signal }),
  });

export interface Keep {
  id: string;
  name: string;
  body: unknown;
  shared: boolean;
  basedOn?: string | null;
}

export function useKeep<Body = unknown>(kind: LibraryKind) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, ...change }: Keep) => request<LibraryItem<Body>>(`/api/v1/library/${kind}/${encodeURIComponent(id)}`, { method: 'PUT', body: change }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['library', kind] }),
  });
}

export function useDiscard(kind: LibraryKind) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`/api/v1/library/${kind}/${encodeURIComponent(id)}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['library', kind] }),
  });
}

/** An id made of a name; `taken` ids get a number. */
export function idOf(name: string, taken: readonly string[] = []): string {
  const base =
    name
      .normalize('NFKD')
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 60) || 'unnamed';
  let id = base;
  for (let i = 2; taken.includes(id); i += 1) id = `${base}-${i}`;
  return id;
}
