import { useQuery } from '@tanstack/react-query';
import { sessionQuery, usersQuery } from '../api/queries';
import type { Role, Session } from '../api/types';

const ORDER: Role[] = ['Reader', 'Responder', 'Contributor', 'Administrator'];

/** Who is signed in; pages inside the shell always have one. */
export function useSession(): Session {
  const { data } = useQuery(sessionQuery);
  return data ?? { user: { name: '', displayName: '', role: 'Reader' }, csrf: '', mustChange: false, noAuth: false };
}

/** Whether the person may do what this role may. The server decides; this only hides what it would refuse. */
export function useMay(role: Role): boolean {
  const { user } = useSession();
  return ORDER.indexOf(user.role) >= ORDER.indexOf(role);
}

/** People an incident can be given to. Only administrators may list all; others can take it themselves. */
export function useAssignees(also: string[] = []): string[] {
  const { user } = useSession();
  const { data } = useQuery({ ...usersQuery, enabled: user.role === 'Administrator', retry: false });
  const others = (data ?? []).filter((u) => u.role !== 'Reader' && u.disabled !== true).map((u) => u.name);
  return [...new Set([user.name, ...others, ...also])].filter((name) => name !== '');
}
