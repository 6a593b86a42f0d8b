import { CircleAlert, CircleCheck, X } from 'lucide-react';
import { Toast } from 'radix-ui';
import { useSyncExternalStore } from 'react';

interface Note {
  id: number;
  kind: 'ok' | 'error';
  text: string;
}

let notes: Note[] = [];
let next = 1;
const listeners = new Set<() => void>();
const change = (after: Note[]): void => {
  notes = after;
  for (const listener of listeners) listener();
};

/** A short note at the edge of the page. */
export function notify(text: string, kind: Note['kind'] = 'ok'): void {
  change([...notes.slice(-3), { id: next++, kind, text }]);
}

export const notifyError = (error: unknown): void => notify(error instanceof Error ? error.message : String(error), 'error');

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => notes,
  );
  return (
    <Toast.Provider swipeDirection="right">
      {shown.map((note) => (
        <Toast.Root
          key={note.id}
          className="toast"
          data-kind={note.kind}
          duration={note.kind === 'error' ? 9000 : 3500}
          onOpenChange={(open) => {
            if (!open) change(notes.filter((n) => n.id !== note.id));
          }}
        >
          {note.kind === 'error' ? <CircleAlert className="icon" /> : <CircleCheck className="icon" />}
          <Toast.Description className="grow">{note.text}</Toast.Description>
          <Toast.Close asChild>
            <button type="button" className="button quiet small square" aria-label="Dismiss">
              <X className="icon small" />
            </button>
          </Toast.Close>
        </Toast.Root>
      ))}
      <Toast.Viewport className="toasts" />
    </Toast.Provider>
  );
}
