// A value as a tree that opens and closes. What is deep starts closed; long lists show a part first.
import { ChevronDown, ChevronRight } from 'lucide-react';
import { useState } from 'react';
import type { Json } from '../api/types';

export type Path = (string | number)[];

interface Props {
  value: Json;
  path?: Path;
  name?: string | number;
  depth?: number;
  /** Called with the path of a scalar that somebody clicked. */
  onPick?: (path: Path, value: Json) => void;
}

const PART = 50;

export function JsonTree(props: Omit<Props, 'depth' | 'path' | 'name'>) {
  return (
    <div className="tree">
      <Node {...props} />
    </div>
  );
}

function Node({ value, path = [], name, depth = 0, onPick }: Props) {
  const [open, setOpen] = useState(depth < 2);
  const [shown, setShown] = useState(PART);
  const key = name === undefined ? null : <span className="key">{name}: </span>;
  if (value === null || typeof value !== 'object') {
    return (
      <div>
        {key}
        <Scalar value={value} onPick={onPick && (() => onPick(path, value))} />
      </div>
    );
  }
  const entries: [string | number, Json][] = Array.isArray(value) ? value.map((v, i) => [i, v]) : Object.entries(value);
  const [left, right] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  if (entries.length === 0) {
    return (
      <div>
        {key}
        <span className="null">
          {left}
          {right}
        </span>
      </div>
    );
  }
  return (
    <div>
      <button type="button" className="twist" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? <ChevronDown className="icon small" /> : <ChevronRight className="icon small" />}
        {key}
        <span className="null">
          {left}
          {open ? '' : ` ${entries.length} `}
          {open ? '' : right}
        </span>
      </button>
      {open && (
        <ul>
          {entries.slice(0, shown).map(([k, v]) => (
            <li key={k}>
              <Node value={v} name={k} path={[...path, k]} depth={depth + 1} onPick={onPick} />
            </li>
          ))}
          {entries.length > shown && (
            <li>
              <button type="button" className="link" onClick={() => setShown(shown + 200)}>
                {entries.length - shown} more
              </button>
            </li>
          )}
        </ul>
      )}
    </div>
  );
}

function Scalar({ value, onPick }: { value: Json; onPick?: () => void }) {
  const kind = value === null ? 'null' : typeof value === 'string' ? 'string' : 'scalar';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  if (onPick === undefined) return <span className={kind}>{text}</span>;
  return (
    <button type="button" className={`value ${kind}`} title="Filter by this value" onClick={onPick}>
      {text}
    </button>
  );
}
