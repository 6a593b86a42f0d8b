import type { Entity, Json } from '../api/types';

const show = (value: Json): string => (typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value));

/** What an entity is called; falls back to its first fact. */
export function entityText(entity: Entity): string {
  if (typeof entity.name === 'string' && entity.name !== '') return entity.name;
  const [first] = entityFacts(entity);
  return first?.[1] ?? entity.type;
}

/** Everything else that is known of it. */
export function entityFacts(entity: Entity): [string, string][] {
  return Object.entries(entity)
    .filter(([key, value]) => key !== 'type' && key !== 'name' && value !== null && value !== '' && !key.startsWith('$'))
    .map(([key, value]) => [key, show(value)]);
}

/** Two mentions of the same thing have the same key. */
export const entityKey = (entity: Entity): string => `${entity.type}\u0000${entityText(entity)}\u0000${show(entity['namespace'] ?? '')}`;
