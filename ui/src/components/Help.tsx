import { Dialog } from './ui';

const GROUPS: [string, [string, string][]][] = [
  [
    'Everywhere',
    [
      ['Ctrl K', 'Go to a page, incident, entity, rule, workbook'],
      ['?', 'This help'],
      ['Esc', 'Close what is open'],
    ],
  ],
  [
    'Incidents',
    [
      ['j', 'Next incident'],
      ['k', 'Previous incident'],
      ['Enter', 'Open the incident'],
      ['a', 'Assign to me'],
      ['s', 'Set the status'],
      ['e', 'Set the severity'],
      ['c', 'Comment'],
      ['x', 'Select for a bulk action'],
      ['/', 'Search'],
    ],
  ],
  [
    'Investigation',
    [
      ['→', 'Choose a part of the time, once it has the focus; with Shift wider'],
      ['Esc', 'Show everything again'],
    ],
  ],
  [
    'Hunting',
    [
      ['r', 'Run what is listed'],
      ['j', 'Next query'],
      ['k', 'Previous query'],
    ],
  ],
  [
    'Logs',
    [
      ['Shift Enter', 'Run the selection, or the whole query'],
      ['Ctrl Enter', 'The same'],
      ['Esc', 'Stop the running query'],
      ['Ctrl Space', 'Complete'],
      ['Ctrl .', 'Mend the problem at the cursor'],
      ['Shift Alt F', 'Lay the query out'],
    ],
  ],
];

export function Help({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Keyboard" className="wide">
      {GROUPS.map(([name, keys]) => (
        <section key={name} className="column" style={{ gap: 6 }}>
          <h3 className="muted">{name}</h3>
          <div className="keys">
            {keys.map(([key, what]) => (
              <div key={key}>
                <span>{what}</span>
                <span className="row" style={{ gap: 3 }}>
                  {key.split(' ').map((k) => (
                    <kbd key={k}>{k}</kbd>
                  ))}
                </span>
              </div>
            ))}
          </div>
        </section>
      ))}
    </Dialog>
  );
}
