import { describe, expect, it } from 'vitest';
import { isoDuration } from './isoDuration';
import { cellTime, describeRange, duration, formatRange, parseRange, relative, toTimespan } from './time';

describe('time in words', () => {
  it('says how long ago with the largest fitting unit', () => {
    const now = Date.parse('2026-03-01T12:00:00Z');
    const ago = (seconds: number): string => relative(now - seconds * 1000, now);
    expect([ago(3), ago(59), ago(61), ago(3 * 3600), ago(47 * 3600), ago(9 * 86400), ago(100 * 86400)]).toEqual(['just now', '59 s ago', '1 min ago', '3 h ago', '47 h ago', '9 d ago', '3 mo ago']);
    expect(ago(-120)).toBe('in 2 min');
    expect(relative('no date', now)).toBe('–');
  });

  it('says how long something took', () => {
    expect([0.2, 42, 2400, 65_000, 3_600_000 + 20 * 60_000, 90_061_000].map(duration)).toEqual(['<1 ms', '42 ms', '2.4 s', '1 min 5 s', '1 h 20 min', '1 d 1 h']);
    expect(duration(3_605_000)).toBe('1 h');
  });

  it('shows datetimes of results in UTC, without digits that say nothing', () => {
    expect(cellTime('2023-01-01T00:00:00.1230000Z')).toBe('2023-01-01 00:00:00.123');
    expect(cellTime('2023-01-01T00:00:00Z')).toBe('2023-01-01 00:00:00');
    expect(cellTime('soon')).toBe('soon');
  });

  it('reads durations of rules in both spellings', () => {
    expect(['PT5M', 'P1D', '1d', 'PT1H30M', '5h', 'whenever'].map(isoDuration)).toEqual(['5 minutes', '1 day', '1 day', '1 hour 30 minutes', '5 hours', 'whenever']);
  });
});

describe('the time range in the address', () => {
  it('survives the way there and back', () => {
    for (const text of ['15m', '24h', '7d', 'all', '2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z']) expect(formatRange(parseRange(text))).toBe(text);
  });

  it('falls back to a day when it makes no sense', () => {
    for (const text of [undefined, '', '0h', 'yesterday', '2026-01-02T00:00:00Z/2026-01-01T00:00:00Z']) expect(formatRange(parseRange(text))).toBe('24h');
  });

  it('becomes the timespan of the query', () => {
    expect(['15m', '24h', '7d'].map((t) => toTimespan(parseRange(t)))).toEqual(['PT15M', 'PT24H', 'P7D']);
    expect(toTimespan(parseRange('all'))).toBeUndefined();
    expect(describeRange(parseRange('1h'))).toBe('Last hour');
  });
});
