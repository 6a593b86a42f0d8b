// Keeps rows of a result with a note and tags.
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { idOf, libraryQuery, useKeep } from '../api/library';
import type { Json, ResultColumn } from '../api/types';
import { keptRow, readTags, suggestName } from '../lib/bookmarks';
import { useMay } from '../lib/session';
import { notify } from './toast';
import { Dialog, ErrorNotice } from './ui';

export interface ToKeep {
  query: string;
  columns: ResultColumn[];
  rows: Json[][];
  tactics?: string[];
  techniques?: string[];
}

export function BookmarkDialog({ what, onClose }: { what: ToKeep | null; onClose: () => void }) {
  return (
    <Dialog open={what !== null} onOpenChange={(open) => !open && onClose()} title={what !== null && what.rows.length > 1 ? `Bookmark ${what.rows.length} rows` : 'Bookmark the row'} description="Bookmarks are under Hunting, from where they become part of an incident.">
      {what !== null && <Form what={what} onClose={onClose} />}
    </Dialog>
  );
}

function Form({ what, onClose }: { what: ToKeep; onClose: () => void }) {
  const mayShare = useMay('Responder');
  const { data } = useQuery(libraryQuery('bookmarks'));
  const keep = useKeep('bookmarks');
  const [name, setName] = useState(() => suggestName(what.columns, what.rows[0] ?? []));
  const [note, setNote] = useState('');
  const [tags, setTags] = useState('');
  return (
    <form
      className="column"
      onSubmit={(event) => {
        event.preventDefault();
        // Somebody else's own bookmark may have the same words: the time keeps them apart.
        const id = idOf(`${name.slice(0, 40)} ${Date.now().toString(36)}`, (data ?? []).map((item) => item.id));
        keep.mutate(
          {
            id,
            name,
            shared: mayShare,
            body: { description: note, note, tags: readTags(tags), query: what.query, columns: what.columns, rows: what.rows.map(keptRow), tactics: what.tactics ?? [], techniques: what.techniques ?? [], incident: null },
          },
          {
            onSuccess: () => {
              notify('Bookmarked');
              onClose();
            },
          },
        );
      }}
    >
      <label className="field">
        <span className="label">Name</span>
        <input className="input" name="name" required maxLength={200} value={name} onChange={(event) => setName(event.target.value)} />
      </label>
      <label className="field">
        <span className="label">Note (Markdown)</span>
        <textarea className="textarea" name="note" value={note} onChange={(event) => setNote(event.target.value)} placeholder="Why it is worth keeping" />
      </label>
      <label className="field">
        <span className="label">Tags</span>
        <input className="input" name="tags" value={tags} onChange={(event) => setTags(event.target.value)} placeholder="exfiltration, ask-the-team" />
      </label>
      {keep.error && <ErrorNotice error={keep.error} />}
      <div className="row end">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" className="button primary" disabled={keep.isPending || name.trim() === ''}>
          Keep it
        </button>
      </div>
    </form>
  );
}
