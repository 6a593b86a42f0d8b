// The queries somebody has open, kept by this browser.
import { readStored, store } from './hooks';

export interface QueryTab {
  id: string;
  text: string;
}

export interface Tabs {
  list: QueryTab[];
  active: string;
}

const KEY = 'taffrail.logs.tabs';
const MOST = 20;

let counter = 0;
export const newTab = (text: string): QueryTab => ({ id: `q${Date.now().toString(36)}${(counter++).toString(36)}`, text });

export function readTabs(): Tabs {
  const kept = readStored<Tabs | null>(KEY, null);
  if (kept && Array.isArray(kept.list) && kept.list.length > 0 && kept.list.some((t) => t.id === kept.active)) return kept;
  const first = newTab('');
  return { list: [first], active: first.id };
}

export const storeTabs = (tabs: Tabs): void => store(KEY, tabs);

/** Shows a query: in the tab that has it already, in the empty one, else in a new one. */
export function openQuery(tabs: Tabs, text: string): Tabs {
  const same = tabs.list.find((t) => t.text.trim() === text.trim());
  if (same) return { ...tabs, active: same.id };
  const active = tabs.list.find((t) => t.id === tabs.active);
  if (active && active.text.trim() === '') return { ...tabs, list: tabs.list.map((t) => (t.id === active.id ? { ...t, text } : t)) };
  const added = newTab(text);
  return { list: [...tabs.list, added].slice(-MOST), active: added.id };
}

export function closeTab(tabs: Tabs, id: string): Tabs {
  const at = tabs.list.findIndex((t) => t.id === id);
  const list = tabs.list.filter((t) => t.id !== id);
  if (list.length === 0) {
    const first = newTab('');
    return { list: [first], active: first.id };
  }
  return { list, active: tabs.active === id ? (list[Math.max(0, at - 1)] as QueryTab).id : tabs.active };
}

export const editTab = (tabs: Tabs, id: string, text: string): Tabs => ({ ...tabs, list: tabs.list.map((t) => (t.id === id ? { ...t, text } : t)) });

/** What a tab is called: the first words of its query. */
export function tabName(text: string): string {
  const words = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('//'))
    .join(' ');
  if (words === '') return 'New query';
  return words.length > 36 ? `${words.slice(0, 35)}…` : words;
}
