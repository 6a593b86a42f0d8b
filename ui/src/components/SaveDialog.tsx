// Asks for a name, and whether it is for everybody, then keeps a document.
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { idOf, libraryQuery, useKeep, type LibraryKind } from '../api/library';
import { useMay } from '../lib/session';
import { notify } from './toast';
import { Dialog, ErrorNotice } from './ui';

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  kind: LibraryKind;
  /** The document, once a name is given */
  body: (name: string, description: string) => unknown;
  suggestion?: string;
  withDescription?: boolean;
  onKept?: (id: string) => void;
}

export function SaveDialog(props: Props) {
  return (
    <Dialog open={props.open} onOpenChange={props.onOpenChange} title={props.title}>
      {props.open && <Form {...props} />}
    </Dialog>
  );
}

function Form({ onOpenChange, kind, body, suggestion = '', withDescription, onKept }: Props) {
  const mayShare = useMay('Contributor');
  const { data } = useQuery(libraryQuery(kind));
  const keep = useKeep(kind);
  const [name, setName] = useState(suggestion);
  const [description, setDescription] = useState('');
  const [shared, setShared] = useState(false);
  return (
    <form
      className="column"
      onSubmit={(event) => {
        event.preventDefault();
        keep.mutate(
          { id: idOf(name, (data ?? []).map((item) => item.id)), name, body: body(name, description), shared },
          {
            onSuccess: (kept) => {
              notify(`${name} is kept`);
              onOpenChange(false);
              onKept?.(kept.id);
            },
          },
        );
      }}
    >
      <label className="field">
        <span className="label">Name</span>
        <input className="input" name="name" required maxLength={200} value={name} onChange={(event) => setName(event.target.value)} />
      </label>
      {withDescription && (
        <label className="field">
          <span className="label">What it is for (Markdown)</span>
          <textarea className="textarea" value={description} onChange={(event) => setDescription(event.target.value)} />
        </label>
      )}
      {mayShare && (
        <label className="row">
          <input type="checkbox" checked={shared} onChange={(event) => setShared(event.target.checked)} /> For everybody
        </label>
      )}
      {keep.error && <ErrorNotice error={keep.error} />}
      <div className="row end">
        <button type="button" className="button" onClick={() => onOpenChange(false)}>
          Cancel
        </button>
        <button type="submit" className="button primary" disabled={keep.isPending || name.trim() === ''}>
          Keep it
        </button>
      </div>
    </form>
  );
}
