// How long ago a source last said something, in words.
const LATE = 15 * 60_000;
const SILENT = 60 * 60_000;

export type Freshness = 'ok' | 'late' | 'silent';
export const FRESH: Record<Freshness, string> = { ok: 'arriving', late: 'quiet', silent: 'silent' };

/** `silence`: after how long, in milliseconds, nothing is a sign of trouble; some sources speak rarely. */
export function freshness(at: string, now: number, silence = SILENT): Freshness {
  const age = now - Date.parse(at);
  return age < Math.min(LATE, silence) ? 'ok' : age < silence ? 'late' : 'silent';
}

/** `30m`, `1d` in milliseconds. */
export function milliseconds(text: string): number | undefined {
  const match = /^(\d+)([smhd])$/.exec(text.trim());
  return match === null ? undefined : Number(match[1]) * { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 's' | 'm' | 'h' | 'd'];
}
