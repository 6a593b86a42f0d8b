// How long ago a source last said something, in words.
const LATE = 15 * 60_000;
const SILENT = 60 * 60_000;

export type Freshness = 'ok' | 'late' | 'silent';
export const FRESH: Record<Freshness, string> = { ok: 'arriving', late: 'quiet', silent: 'silent' };

export function freshness(at: string, now: number): Freshness {
  const age = now - Date.parse(at);
  return age < LATE ? 'ok' : age < SILENT ? 'late' : 'silent';
}
