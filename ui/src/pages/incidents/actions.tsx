// What people do with incidents, from the queue, the side pane and the incident page alike.
import { useState } from 'react';
import type { Incident, IncidentChange, Severity, Status } from '../../api/types';
import { useChangeIncident, useComment } from '../../api/queries';
import { Dialog, ErrorNotice, Menu, Chevron } from '../../components/ui';
import { Owner, SeverityMark, StatusMark } from '../../components/marks';
import { notify, notifyError } from '../../components/toast';
import { SEVERITIES, STATUSES } from '../../lib/filters';
import { useAssignees, useSession } from '../../lib/session';
import { duration } from '../../lib/time';

export interface Verdict {
  classification: string;
  classificationReason: string | null;
  classificationComment: string;
}

/** What an incident can turn out to be, with Sentinel's names. */
export const VERDICTS: { classification: string; reason: string | null; label: string; about: string }[] = [
  { classification: 'TruePositive', reason: 'SuspiciousActivity', label: 'True positive', about: 'An attack, or something that was not allowed.' },
  { classification: 'BenignPositive', reason: 'SuspiciousButExpected', label: 'Benign positive', about: 'It happened as reported, and was expected: a test, maintenance, a known tool.' },
  { classification: 'FalsePositive', reason: 'IncorrectAlertLogic', label: 'False positive: the rule is wrong', about: 'The query finds what it does not mean.' },
  { classification: 'FalsePositive', reason: 'InaccurateData', label: 'False positive: the data is wrong', about: 'The events do not say what happened.' },
  { classification: 'Undetermined', reason: null, label: 'Undetermined', about: 'It could not be found out.' },
];

export function verdictLabel(classification: string | null, reason: string | null): string | null {
  if (classification === null) return null;
  return VERDICTS.find((v) => v.classification === classification && (v.reason === reason || reason === null))?.label ?? classification;
}

/** Asks what it turned out to be, then closes. */
export function CloseDialog({ numbers, open, onOpenChange, onClose }: { numbers: number[]; open: boolean; onOpenChange: (open: boolean) => void; onClose: (verdict: Verdict) => Promise<unknown> }) {
  const [chosen, setChosen] = useState(0);
  const [comment, setComment] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const what = numbers.length === 1 ? `incident ${numbers[0]}` : `${numbers.length} incidents`;
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={`Close ${what}`} description="What did it turn out to be?">
      <form
        className="column"
        onSubmit={(event) => {
          event.preventDefault();
          const verdict = VERDICTS[chosen];
          if (verdict === undefined) return;
          setBusy(true);
          setError(null);
          onClose({ classification: verdict.classification, classificationReason: verdict.reason, classificationComment: comment.trim() })
            .then(() => {
              setComment('');
              onOpenChange(false);
            })
            .catch(setError)
            .finally(() => setBusy(false));
        }}
      >
        <div className="choice" role="radiogroup" aria-label="Classification">
          {VERDICTS.map((verdict, i) => (
            <label key={verdict.label}>
              <input type="radio" name="verdict" checked={chosen === i} onChange={() => setChosen(i)} />
              <span>
                <b>{verdict.label}</b>
                <br />
                <span className="muted">{verdict.about}</span>
              </span>
            </label>
          ))}
        </div>
        <label className="field">
          <span className="label">Comment (optional)</span>
          <textarea className="textarea" name="comment" value={comment} onChange={(event) => setComment(event.target.value)} placeholder="What was found, and what was done" />
        </label>
        {error !== null && <ErrorNotice error={error} />}
        <div className="row end">
          <button type="button" className="button" onClick={() => onOpenChange(false)}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={busy}>
            Close {what}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** A few choices for the keyboard: arrows and enter, or a first letter. */
export function ChooseDialog<T extends string>({ title, options, current, render, open, onOpenChange, onChoose }: { title: string; options: T[]; current?: T; render: (option: T) => React.ReactNode; open: boolean; onOpenChange: (open: boolean) => void; onChoose: (option: T) => void }) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={title} className="narrow">
      <div
        className="options"
        role="group"
        aria-label={title}
        onKeyDown={(event) => {
          const items = [...event.currentTarget.querySelectorAll<HTMLButtonElement>('button')];
          const at = items.indexOf(document.activeElement as HTMLButtonElement);
          if (event.key === 'ArrowDown' || event.key === 'j') items[Math.min(at + 1, items.length - 1)]?.focus();
          else if (event.key === 'ArrowUp' || event.key === 'k') items[Math.max(at - 1, 0)]?.focus();
          else {
            const option = options.find((o) => o[0]?.toLowerCase() === event.key.toLowerCase());
            if (option === undefined) return;
            onChoose(option);
          }
          event.preventDefault();
        }}
      >
        {options.map((option, i) => (
          <button key={option} type="button" className="item" autoFocus={current === undefined ? i === 0 : option === current} onClick={() => onChoose(option)}>
            <span className="grow">{render(option)}</span>
            <kbd>{option[0]}</kbd>
          </button>
        ))}
      </div>
    </Dialog>
  );
}

/** Owner, status and severity of one incident as three menus, with the closing dialog. */
export function Triage({ incident, compact }: { incident: Incident; compact?: boolean }) {
  const change = useChangeIncident();
  const { user } = useSession();
  const people = useAssignees(incident.owner === null ? [] : [incident.owner]);
  const [closing, setClosing] = useState(false);
  const size = compact ? 'small' : '';
  const apply = (what: IncidentChange, said: string): void =>
    change.mutate({ number: incident.number, change: what }, { onSuccess: () => notify(said), onError: notifyError });
  return (
    <>
      <Menu
        trigger={
          <button type="button" className={`button ${size}`} aria-label={`Owner: ${incident.owner === null ? 'Unassigned' : incident.owner === user.name ? `${incident.owner} (me)` : incident.owner}`}>
            <Owner name={incident.owner} me={user.name} />
            <Chevron />
          </button>
        }
        caption="Assign to"
        items={[
          ...people.map((name) => ({
            key: name,
            label: <Owner name={name} me={user.name} />,
            disabled: name === incident.owner,
            onSelect: () => apply({ owner: name }, `Incident ${incident.number} is ${name === user.name ? 'yours' : `${name}'s`} now`),
          })),
          'line' as const,
          { key: 'none', label: <Owner name={null} />, disabled: incident.owner === null, onSelect: () => apply({ owner: null }, `Incident ${incident.number} has no owner now`) },
        ]}
      />
      <Menu
        trigger={
          <button type="button" className={`button ${size}`} aria-label={`Status: ${incident.status}`}>
            <StatusMark status={incident.status} />
            <Chevron />
          </button>
        }
        caption="Status"
        items={STATUSES.map((status) => ({
          key: status,
          label: <StatusMark status={status} />,
          disabled: status === incident.status,
          onSelect: () => (status === 'Closed' ? setClosing(true) : apply({ status }, `Incident ${incident.number} is ${status} now`)),
        }))}
      />
      <Menu
        trigger={
          <button type="button" className={`button ${size}`} aria-label={`Severity: ${incident.severity === 'Informational' ? 'Info' : incident.severity}`}>
            <SeverityMark severity={incident.severity} />
            <Chevron />
          </button>
        }
        caption="Severity"
        items={SEVERITIES.map((severity) => ({
          key: severity,
          label: <SeverityMark severity={severity} />,
          disabled: severity === incident.severity,
          onSelect: () => apply({ severity }, `Incident ${incident.number} is ${severity} now`),
        }))}
      />
      <CloseDialog
        numbers={[incident.number]}
        open={closing}
        onOpenChange={setClosing}
        onClose={(verdict) => change.mutateAsync({ number: incident.number, change: { status: 'Closed', ...verdict } }).then(() => notify(`Incident ${incident.number} is closed`))}
      />
    </>
  );
}

/** The field in which a comment is written. */
export function CommentBox({ number, autoFocus, onDone }: { number: number; autoFocus?: boolean; onDone?: () => void }) {
  const [message, setMessage] = useState('');
  const comment = useComment(number);
  const submit = (): void => {
    if (message.trim() === '') return;
    comment.mutate(message.trim(), {
      onSuccess: () => {
        setMessage('');
        notify('Comment added');
        onDone?.();
      },
    });
  };
  return (
    <form
      className="column"
      style={{ gap: 8 }}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <textarea
        className="textarea"
        name="message"
        autoFocus={autoFocus}
        aria-label="Comment"
        placeholder="Write a comment. **bold**, `code`, lists and links work."
        value={message}
        onChange={(event) => setMessage(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            submit();
          }
        }}
      />
      {comment.isError && <ErrorNotice error={comment.error} />}
      <div className="row end">
        <span className="faint">Ctrl Enter</span>
        <button type="submit" className="button primary" disabled={comment.isPending || message.trim() === ''}>
          Comment
        </button>
      </div>
    </form>
  );
}

/** Applies one change to many, and says plainly what failed. */
export function useBulk(): (numbers: number[], change: IncidentChange) => Promise<void> {
  const { mutateAsync } = useChangeIncident();
  return async (numbers, change) => {
    let failed = 0;
    let reason: unknown = null;
    for (const number of numbers) {
      try {
        await mutateAsync({ number, change });
      } catch (error) {
        failed += 1;
        reason = error;
      }
    }
    const done = numbers.length - failed;
    if (failed === 0) notify(done === 1 ? `Incident ${numbers[0]} changed` : `${done} incidents changed`);
    else notify(`${done} changed, ${failed} failed: ${reason instanceof Error ? reason.message : String(reason)}`, 'error');
  };
}

/** How long an incident has been, or was, open. */
export function openFor(incident: Incident, now: number): string {
  const end = incident.closedAt === null ? now : Date.parse(incident.closedAt);
  return duration(Math.max(1000, Math.floor((end - Date.parse(incident.createdAt)) / 1000) * 1000));
}

export const asStatus = (status: Status): React.ReactNode => <StatusMark status={status} />;
export const asSeverity = (severity: Severity): React.ReactNode => <SeverityMark severity={severity} />;
