// What is to be done about an incident, ticked off by whoever does it.
import { Plus, Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { IncidentDetail, Task } from '../../api/types';
import { useTasks } from '../../api/work';
import { notifyError } from '../../components/toast';
import { CheckBox, Time } from '../../components/ui';
import { Markdown, plainText } from '../../lib/markdown';
import { useMay } from '../../lib/session';

export function Tasks({ incident }: { incident: IncidentDetail }) {
  const may = useMay('Responder');
  const { add, change, remove } = useTasks(incident.number);
  const [title, setTitle] = useState('');
  const done = incident.tasks.filter((task) => task.doneAt).length;
  const remedies = [...new Set(incident.alerts.flatMap((alert) => alert.remediation))];
  // The rule's steps are offered until they are on the list.
  const offered = remedies.filter((step) => !incident.tasks.some((task) => task.title === asTitle(step)));
  const submit = (): void => {
    if (title.trim() !== '') add.mutate({ title: title.trim() }, { onSuccess: () => setTitle(''), onError: notifyError });
  };
  return (
    <section className="card" aria-label="Tasks">
      <header>
        <h2 className="grow">Tasks</h2>
        {incident.tasks.length > 0 && (
          <span className="faint number">
            {done} of {incident.tasks.length} done
          </span>
        )}
      </header>
      {incident.tasks.length > 0 && (
        <div className="progress" aria-hidden="true">
          <i style={{ width: `${(100 * done) / incident.tasks.length}%` }} />
        </div>
      )}
      <div className="body column" style={{ gap: 8 }}>
        {incident.tasks.length === 0 && <span className="muted">Nothing is on the list yet.</span>}
        <ul className="plain tasks">
          {incident.tasks.map((task) => (
            <Row key={task.id} task={task} may={may} onTick={(is) => change.mutate({ id: task.id, done: is }, { onError: notifyError })} onRemove={() => remove.mutate(task.id, { onError: notifyError })} />
          ))}
        </ul>
        {may && offered.length > 0 && (
          <button type="button" className="button small" style={{ alignSelf: 'flex-start' }} disabled={add.isPending} onClick={() => void addAll(offered, add.mutateAsync)}>
            <Plus className="icon small" /> Take the rule's {offered.length === 1 ? 'step' : `${offered.length} steps`}
          </button>
        )}
        {may && (
          <form
            className="row"
            onSubmit={(event) => {
              event.preventDefault();
              submit();
            }}
          >
            <input className="input grow" aria-label="New task" placeholder="New task" maxLength={300} value={title} onChange={(event) => setTitle(event.target.value)} />
            <button type="submit" className="button" disabled={title.trim() === '' || add.isPending}>
              Add
            </button>
          </form>
        )}
      </div>
    </section>
  );
}

const asTitle = (step: string): string => {
  const text = plainText(step);
  return text.length > 300 ? `${text.slice(0, 299)}…` : text;
};

async function addAll(steps: string[], add: (task: { title: string; description?: string }) => Promise<unknown>): Promise<void> {
  try {
    // One after the other: their order is the order in which they are written.
    for (const step of steps) await add({ title: asTitle(step), ...(step.includes('`') ? { description: step } : {}) });
  } catch (error) {
    notifyError(error);
  }
}

function Row({ task, may, onTick, onRemove }: { task: Task; may: boolean; onTick: (done: boolean) => void; onRemove: () => void }) {
  const done = Boolean(task.doneAt);
  return (
    <li data-done={done}>
      {may ? <CheckBox checked={done} onChange={onTick} label={task.title} /> : <span aria-hidden="true">{done ? '✓' : '○'}</span>}
      <div className="grow column" style={{ gap: 2, minWidth: 0 }}>
        {task.description === '' ? <span className="task-title">{task.title}</span> : <Markdown text={task.description} />}
        {done && (
          <span className="faint" style={{ fontSize: 12 }}>
            {task.doneBy} <Time at={task.doneAt} />
          </span>
        )}
      </div>
      {may && (
        <button type="button" className="button quiet small square" aria-label={`Remove the task ${task.title}`} onClick={onRemove}>
          <Trash2 className="icon small" />
        </button>
      )}
    </li>
  );
}
