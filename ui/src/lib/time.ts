// Time as people read it. Everything is shown in the reader's own zone, with UTC beside it.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `3 min ago`, `in 2 h`, `yesterday`-free on purpose: short and unambiguous. */
export function relative(then: string | number | Date, now: number = Date.now()): string {
  const at = new Date(then).getTime();
  if (Number.isNaN(at)) return '–';
  const distance = now - at;
  const size = Math.abs(distance);
  if (size < 10_000) return 'just now';
  const text = shortDuration(size);
  return distance >= 0 ? `${text} ago` : `in ${text}`;
}

/** The largest fitting unit only: `45 s`, `12 min`, `3 h`, `9 d`, `4 mo`, `2 y`. */
export function shortDuration(milliseconds: number): string {
  const size = Math.abs(milliseconds);
  if (size < MINUTE) return `${Math.floor(size / 1000)} s`;
  if (size < HOUR) return `${Math.floor(size / MINUTE)} min`;
  if (size < 2 * DAY) return `${Math.floor(size / HOUR)} h`;
  if (size < 60 * DAY) return `${Math.floor(size / DAY)} d`;
  if (size < 730 * DAY) return `${Math.floor(size / (30 * DAY))} mo`;
  return `${Math.floor(size / (365 * DAY))} y`;
}

/** How long something took or lasted, with two units: `1 h 20 min`, `340 ms`, `2.4 s`. */
export function duration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return '–';
  const size = Math.max(0, milliseconds);
  if (size < 1) return '<1 ms';
  if (size < 1000) return `${Math.round(size)} ms`;
  if (size < MINUTE) return `${trim((size / 1000).toFixed(size < 10_000 ? 2 : 1))} s`;
  const units: [number, string][] = [
    [DAY, 'd'],
    [HOUR, 'h'],
    [MINUTE, 'min'],
    [1000, 's'],
  ];
  const parts: string[] = [];
  let rest = size;
  for (const [unit, name] of units) {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0) parts.push(`${count} ${name}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}

function trim(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

const pad = (n: number, width = 2): string => String(n).padStart(width, '0');

/** `2026-01-31 14:05:09` in the reader's zone. */
export function absolute(then: string | number | Date): string {
  const at = new Date(then);
  if (Number.isNaN(at.getTime())) return String(then);
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

/** `2026-01-31 13:05:09 UTC`. */
export function utc(then: string | number | Date): string {
  const at = new Date(then);
  if (Number.isNaN(at.getTime())) return String(then);
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** A datetime of a result, in UTC as the query language counts, with milliseconds when there are any. */
export function cellTime(text: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?Z?$/.exec(text);
  if (!match) return text;
  const fraction = (match[3] ?? '').slice(0, 3).replace(/0+$/, '');
  return `${match[1]} ${match[2]}${fraction === '' ? '' : `.${fraction.padEnd(3, '0')}`}`;
}

/** The range of a query: a duration back from now, two instants, or everything. */
export type Range =
  | { kind: 'last'; amount: number; unit: 'm' | 'h' | 'd' }
  | { kind: 'between'; start: string; end: string }
  | { kind: 'all' };

export const DEFAULT_RANGE: Range = { kind: 'last', amount: 24, unit: 'h' };

/** Reads the address form: `24h`, `7d`, `all`, `2026-01-01T00:00:00Z/2026-01-02T00:00:00Z`. */
export function parseRange(text: string | undefined): Range {
  if (text === undefined || text === '') return DEFAULT_RANGE;
  if (text === 'all') return { kind: 'all' };
  const last = /^(\d{1,5})([mhd])$/.exec(text);
  if (last) {
    const amount = Number(last[1]);
    return amount > 0 ? { kind: 'last', amount, unit: last[2] as 'm' | 'h' | 'd' } : DEFAULT_RANGE;
  }
  const [start, end, more] = text.split('/');
  if (start !== undefined && end !== undefined && more === undefined) {
    const from = Date.parse(start);
    const to = Date.parse(end);
    if (!Number.isNaN(from) && !Number.isNaN(to) && from < to) return { kind: 'between', start, end };
  }
  return DEFAULT_RANGE;
}

/** Writes the address form. */
export function formatRange(range: Range): string {
  if (range.kind === 'all') return 'all';
  if (range.kind === 'last') return `${range.amount}${range.unit}`;
  return `${range.start}/${range.end}`;
}

/** The `timespan` of the Log Analytics protocol (ISO 8601), absent for everything. */
export function toTimespan(range: Range): string | undefined {
  if (range.kind === 'all') return undefined;
  if (range.kind === 'between') return `${range.start}/${range.end}`;
  return range.unit === 'd' ? `P${range.amount}D` : `PT${range.amount}${range.unit === 'h' ? 'H' : 'M'}`;
}

/** How a range is worded on its button. */
export function describeRange(range: Range): string {
  if (range.kind === 'all') return 'All time';
  if (range.kind === 'between') return `${absolute(range.start).slice(0, 16)} – ${absolute(range.end).slice(0, 16)}`;
  const words = { m: 'minute', h: 'hour', d: 'day' };
  return range.amount === 1 ? `Last ${words[range.unit]}` : `Last ${range.amount} ${words[range.unit]}s`;
}
