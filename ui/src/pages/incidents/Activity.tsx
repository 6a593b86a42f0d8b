import { CircleDot, ListChecks, MessageSquare, Plus, UserRound, Zap } from 'lucide-react';
import type { Activity as Entry, Comment, IncidentDetail } from '../../api/types';
import { Time } from '../../components/ui';
import { Markdown } from '../../lib/markdown';
import { useMay } from '../../lib/session';
import { CommentBox } from './actions';

type Item = { at: string; kind: 'comment'; comment: Comment } | { at: string; kind: 'entry'; entry: Entry };

const FIELDS: Record<string, string> = {
  classificationReason: 'the reason',
  classification_reason: 'the reason',
  classificationComment: 'the closing note',
  classification_comment: 'the closing note',
};

/** One change in words. */
function sentence(entry: Entry): React.ReactNode {
  const { action, field, from, to } = entry;
  if (action === 'alert added') return <>added the alert <b>{to}</b></>;
  if (action === 'task added') return <>put a task on the list: <b>{to}</b></>;
  if (action === 'task done') return <>did the task <b>{to}</b></>;
  if (action === 'task opened again') return <>opened the task again: <b>{to}</b></>;
  if (action === 'task changed') return <>changed the task <b>{to}</b></>;
  if (action === 'task removed') return <>took the task off the list: <b>{entry.from}</b></>;
  if (field !== null && field !== undefined && field !== '') {
    const name = FIELDS[field] ?? `the ${field}`;
    if (field === 'owner') return to ? <>gave it to <b>{to}</b></> : <>took the owner off</>;
    if (from && to) return <>changed {name} from {from} to <b>{to}</b></>;
    if (to) return <>set {name} to <b>{to}</b></>;
    return <>cleared {name}</>;
  }
  return to ? <>{action}: {to}</> : action === 'created' ? <>opened the incident</> : <>{action}</>;
}

function icon(entry: Entry): React.ReactNode {
  if (entry.field === 'owner') return <UserRound className="icon small" />;
  if (/alert/i.test(entry.action)) return <Zap className="icon small" />;
  if (entry.field === 'task') return <ListChecks className="icon small" />;
  if (/creat/i.test(entry.action)) return <Plus className="icon small" />;
  return <CircleDot className="icon small" />;
}

export function Activity({ incident }: { incident: IncidentDetail }) {
  const mayComment = useMay('Responder');
  const items: Item[] = [
    ...incident.comments.map((comment): Item => ({ at: comment.createdAt, kind: 'comment', comment })),
    ...incident.activity.filter((entry) => !/^comment/i.test(entry.action)).map((entry): Item => ({ at: entry.at, kind: 'entry', entry })),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  return (
    <ol className="feed">
      {items.map((item, i) =>
        item.kind === 'comment' ? (
          <li key={i}>
            <span className="mark">
              <MessageSquare className="icon small" />
            </span>
            <div className="card comment column" style={{ gap: 6 }}>
              <span className="muted">
                <b style={{ color: 'var(--text)' }}>{item.comment.author}</b> <Time at={item.comment.createdAt} />
              </span>
              <Markdown text={item.comment.message} />
            </div>
          </li>
        ) : (
          <li key={i}>
            <span className="mark">{icon(item.entry)}</span>
            <span className="muted" style={{ paddingTop: 4 }}>
              <b style={{ color: 'var(--text)' }}>{item.entry.who}</b> {sentence(item.entry)} · <Time at={item.entry.at} />
            </span>
          </li>
        ),
      )}
      {mayComment && (
        <li>
          <span className="mark">
            <MessageSquare className="icon small" />
          </span>
          <CommentBox number={incident.number} />
        </li>
      )}
    </ol>
  );
}
