// A name that leads to its page.
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { ofAlert, type EntityId } from '../lib/entities';
import type { Entity } from '../api/types';

export const entityAddress = (id: EntityId) =>
  ({ to: '/entities/$kind', params: { kind: id.kind }, search: { name: id.name, ...(id.namespace === undefined ? {} : { namespace: id.namespace }) } }) as const;

export function EntityLink({ id, children, className, ...more }: { id: EntityId; children?: ReactNode; className?: string }) {
  return (
    // A row below it that opens on a click is not meant then. The rest is what a tooltip puts on its trigger.
    <Link {...entityAddress(id)} {...more} className={className} onClick={(event) => event.stopPropagation()}>
      {children ?? id.name}
    </Link>
  );
}

/** The page of an entity as an alert has it, when there is one. */
export function AlertEntityLink({ entity, children }: { entity: Entity; children: ReactNode }) {
  const id = ofAlert(entity);
  return id === null ? <>{children}</> : <EntityLink id={id}>{children}</EntityLink>;
}
