import { describe, expect, it } from 'vitest';
import { parseSearch, stringifySearch } from './address';
import { NOBODY, countFilters, parseQueue, queueToApi, toggleFacet, toggleSort } from './filters';

describe('the queue in the address', () => {
  it('survives the way there and back', () => {
    const queue = parseQueue({ status: ['New', 'Active'], severity: 'High', owner: ['mona'], search: 'exec into', sort: 'severity', order: 'asc', page: '3', selected: '17' });
    expect(queue).toEqual({ status: ['New', 'Active'], severity: ['High'], owner: ['mona'], search: 'exec into', sort: 'severity', order: 'asc', page: 3, selected: 17 });
    const text = stringifySearch(queue as Record<string, unknown>);
    expect(text).toBe('?status=New&status=Active&severity=High&owner=mona&search=exec+into&sort=severity&order=asc&page=3&selected=17');
    expect(parseQueue(parseSearch(text))).toEqual(queue);
  });

  it('drops what makes no sense instead of failing', () => {
    expect(parseQueue({ status: 'Nonsense', sort: 'drop table', order: 'up', page: '-1', selected: 'x' })).toEqual({});
  });

  it('asks the API for the page, and for the incidents of nobody by the empty name', () => {
    expect(queueToApi({ owner: [NOBODY, 'mona'], page: 2 })).toBe('?owner=&owner=mona&sort=lastActivity&order=desc&limit=50&offset=50');
  });

  it('goes back to the first page when a facet or the order changes', () => {
    expect(toggleFacet({ status: ['New'], page: 4 }, 'status', 'Active')).toEqual({ status: ['New', 'Active'] });
    expect(toggleFacet({ status: ['New'], page: 4 }, 'status', 'New')).toEqual({});
    expect(toggleSort({ page: 4 }, 'severity')).toEqual({ sort: 'severity', order: 'desc' });
    expect(toggleSort({ sort: 'severity', order: 'desc' }, 'severity')).toEqual({ sort: 'severity', order: 'asc' });
    expect(toggleSort({}, 'title')).toEqual({ sort: 'title', order: 'asc' });
  });

  it('counts restrictions', () => {
    expect(countFilters({ status: ['New', 'Active'], search: 'x', sort: 'title' })).toBe(3);
  });
});
