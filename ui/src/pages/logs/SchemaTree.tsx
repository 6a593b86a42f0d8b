import { ChevronDown, ChevronRight, Eye, Play, Table2 } from 'lucide-react';
import { useMemo, useState } from 'react';
import type { SchemaAnswer, SchemaTable } from '../../api/types';
import { Tip } from '../../components/ui';
import { compact } from '../../lib/chart';
import { columnName } from '../../lib/kql';

/** Tables and views with their columns; a click puts a name into the query. */
export function SchemaTree({ schema, counts, onInsert, onPreview }: { schema: SchemaAnswer; counts: ReadonlyMap<string, number>; onInsert: (text: string) => void; onPreview: (query: string) => void }) {
  const [find, setFind] = useState('');
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const words = find.trim().toLowerCase();

  const groups = useMemo(() => {
    const found = new Map<string, SchemaTable[]>();
    for (const table of schema.tables) {
      const fits = words === '' || table.name.toLowerCase().includes(words) || table.columns.some((c) => c.name.toLowerCase().includes(words));
      if (!fits) continue;
      const group = table.group || 'Other';
      found.set(group, [...(found.get(group) ?? []), table]);
    }
    return [...found].map(([name, tables]) => [name, tables.sort((a, b) => a.name.localeCompare(b.name))] as const);
  }, [schema, words]);

  const toggle = (name: string): void => {
    const next = new Set(open);
    if (!next.delete(name)) next.add(name);
    setOpen(next);
  };

  return (
    <aside className="schema" aria-label="Tables">
      <div className="find">
        <input className="input" type="search" placeholder="Find a table or column" aria-label="Find a table or column" value={find} onChange={(event) => setFind(event.target.value)} />
      </div>
      <div className="scroll">
        {groups.length === 0 && <p className="muted" style={{ padding: 8 }}>{schema.tables.length === 0 ? 'There are no tables yet.' : 'Nothing is called that.'}</p>}
        {groups.map(([group, tables]) => (
          <section key={group}>
            <div className="group">{group}</div>
            {tables.map((table) => {
              const byColumn = words !== '' && !table.name.toLowerCase().includes(words);
              const shown = open.has(table.name) || byColumn;
              return (
                <div key={table.name}>
                  <div className="row" style={{ gap: 0 }}>
                    <Tip text={table.about || table.name}>
                      <button type="button" className="node" aria-expanded={shown} onClick={() => toggle(table.name)} onDoubleClick={() => onInsert(columnName(table.name))}>
                        {shown ? <ChevronDown className="icon small" /> : <ChevronRight className="icon small" />}
                        {table.kind === 'view' ? <Eye className="icon small" style={{ color: 'var(--faint)' }} /> : <Table2 className="icon small" style={{ color: 'var(--faint)' }} />}
                        <span className="name" style={counts.size > 0 && table.kind === 'table' && !counts.get(table.name) ? { color: 'var(--faint)' } : undefined}>
                          {table.name}
                        </span>
                        {(counts.get(table.name) ?? 0) > 0 && <span className="type number">{compact(counts.get(table.name) ?? 0)}</span>}
                      </button>
                    </Tip>
                    <Tip text={`Look at 50 rows of ${table.name}`}>
                      <button type="button" className="button quiet small square" aria-label={`Look at 50 rows of ${table.name}`} onClick={() => onPreview(`${columnName(table.name)}\n| take 50`)}>
                        <Play className="icon small" />
                      </button>
                    </Tip>
                  </div>
                  {shown && (
                    <ul>
                      {table.columns
                        .filter((c) => !byColumn || c.name.toLowerCase().includes(words))
                        .map((c) => (
                          <li key={c.name}>
                            <Tip text={c.about || `${c.name}: ${c.type}`}>
                              <button type="button" className="node" onClick={() => onInsert(columnName(c.name))}>
                                <span className="name">{c.name}</span>
                                <span className="type">{c.type}</span>
                              </button>
                            </Tip>
                          </li>
                        ))}
                    </ul>
                  )}
                </div>
              );
            })}
          </section>
        ))}
      </div>
    </aside>
  );
}
