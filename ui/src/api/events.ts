// Live changes, over one connection for the whole portal.
import { useEffect, useRef, useSyncExternalStore } from 'react';

export interface IncidentEvent {
  /** 0: any may have changed */
  number: number;
  change: 'created' | 'updated';
}

const listeners = new Set<(event: IncidentEvent) => void>();
const watchers = new Set<() => void>();
let source: EventSource | null = null;
let live = false;

function setLive(next: boolean): void {
  if (live === next) return;
  live = next;
  for (const watcher of watchers) watcher();
}

/** Opens the connection; the browser reconnects by itself when it breaks. */
export function connect(): () => void {
  source = new EventSource('/api/v1/events');
  let opened = false;
  source.addEventListener('open', () => {
    // What happened while the line was down was not told.
    if (opened) for (const listener of listeners) listener({ number: 0, change: 'updated' });
    opened = true;
    setLive(true);
  });
  source.addEventListener('error', () => setLive(false));
  source.addEventListener('incident', (message) => {
    const event = JSON.parse((message as MessageEvent<string>).data) as IncidentEvent;
    for (const listener of listeners) listener(event);
  });
  return () => {
    source?.close();
    source = null;
    setLive(false);
  };
}

export function useIncidentEvents(onEvent: (event: IncidentEvent) => void): void {
  const latest = useRef(onEvent);
  latest.current = onEvent;
  useEffect(() => {
    const listener = (event: IncidentEvent): void => latest.current(event);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }, []);
}

/** Whether changes arrive at this moment. */
export function useLive(): boolean {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => live,
  );
}
