import { describe, expect, it } from 'vitest';
import { NEW_RULE, difference, preview, seconds, simulate } from './rule';

const minute = 60_000;

describe('what a rule would have raised', () => {
  it('speaks for every row as events arrive', () => {
    const raised = simulate({ ...NEW_RULE, kind: 'NRT', perResult: true }, [[5 * minute, 3]], 60, [0, 10 * minute]);
    expect(raised.filter((one) => one.alerts > 0)).toEqual([{ at: 5 * minute, rows: 3, alerts: 3 }]);
  });
  it('counts the rows of a window, and speaks when they are more than the threshold', () => {
    const scheduled = { ...NEW_RULE, kind: 'Scheduled' as const, frequency: '5m', period: '10m', operator: 'gt' as const, threshold: 4, perResult: false };
    // Three rows in each of two windows' ends: only together they are more than four.
    const raised = simulate(scheduled, [[4 * minute, 3], [6 * minute, 3]], 60, [0, 19 * minute]);
    expect(raised.filter((one) => one.alerts > 0).map((one) => one.at / minute)).toEqual([9]);
  });
});

it('reads durations as rules write them', () => {
  expect([seconds('5m'), seconds('PT1H30M'), seconds('1d'), seconds('soon')]).toEqual([300, 5400, 86_400, 0]);
});

it('previews the entities of a row', () => {
  const mappings = [{ entityType: 'Account', fieldMappings: [{ identifier: 'FullName', columnName: 'Username' }] }, { entityType: 'IP', fieldMappings: [{ identifier: 'Address', columnName: 'Nothing' }] }];
  expect(preview(mappings, [{ name: 'Username' }], ['eve'])).toEqual([{ type: 'Account', name: 'eve' }]);
});

it('shows what lines a version changed', () => {
  expect(difference('a\nb\nc', 'a\nx\nc\nd').map((line) => `${line.kind[0]}${line.text}`)).toEqual(['sa', 'rb', 'ax', 'sc', 'ad']);
});
