import { useSyncExternalStore } from 'react';

export type Theme = 'light' | 'dark';
export type Choice = Theme | 'system';

const KEY = 'taffrail.theme';
const dark = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

function read(): Choice {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === 'light' || kept === 'dark' ? kept : 'system';
  } catch {
    return 'system';
  }
}

let choice: Choice = read();

const current = (): Theme => (choice === 'system' ? (dark.matches ? 'dark' : 'light') : choice);

function apply(): void {
  document.documentElement.dataset['theme'] = current();
  for (const listener of listeners) listener();
}

dark.addEventListener('change', apply);

export function chooseTheme(next: Choice): void {
  choice = next;
  try {
    if (next === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // The choice lasts for this page then.
  }
  apply();
}

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** The theme that is shown now. */
export const useTheme = (): Theme => useSyncExternalStore(subscribe, current);
/** What the person chose: following the system, or one of the two. */
export const useThemeChoice = (): Choice => useSyncExternalStore(subscribe, () => choice);
