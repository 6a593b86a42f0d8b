import { useEffect, useRef, useSyncExternalStore } from 'react';

let now = Date.now();
const clocks = new Set<() => void>();
setInterval(() => {
  now = Date.now();
  for (const tick of clocks) tick();
}, 15_000);

/** The present, renewed often enough for "3 min ago". */
export function useNow(): number {
  return useSyncExternalStore(
    (listener) => {
      clocks.add(listener);
      return () => clocks.delete(listener);
    },
    () => now,
  );
}

/** Where typing is meant as text and not as a command. */
function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  if (!element?.closest) return false;
  return element.closest('input, textarea, select, [contenteditable="true"], .monaco-editor, [role="menu"], [role="listbox"]') !== null;
}

export type Keys = Record<string, (event: KeyboardEvent) => void>;

/** Single keys as commands of a page; silent while somebody types or a dialog is open. */
export function useKeys(keys: Keys, enabled = true): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    if (!enabled) return undefined;
    const listen = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target) || document.querySelector('[role="dialog"]') !== null) return;
      const action = latest.current[event.key];
      if (action === undefined) return;
      if (event.key === 'Enter' && (event.target as HTMLElement).closest?.('a, button') !== null) return;
      event.preventDefault();
      action(event);
    };
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  }, [enabled]);
}

/** A value kept by this browser. Storage may be full or forbidden: then it lasts for the page. */
export function readStored<T>(key: string, fallback: T): T {
  try {
    const text = localStorage.getItem(key);
    return text === null ? fallback : (JSON.parse(text) as T);
  } catch {
    return fallback;
  }
}

export function store(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Nothing depends on it.
  }
}

/** The title of the browser's tab. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Taffrail`;
  }, [title]);
}
