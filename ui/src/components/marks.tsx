// Severity, status, people, entities and techniques, the same everywhere.
import { Box, Boxes, CalendarClock, Circle, CircleCheck, CircleDot, Container, FileKey, Globe, Image, Layers, Network, Server, ShieldQuestion, User, UserCog } from 'lucide-react';
import type { ComponentType, SVGProps } from 'react';
import type { Entity, Severity, Status } from '../api/types';
import { tacticName, techniqueName } from '../lib/attack';
import { ofAlert } from '../lib/entities';
import { entityFacts, entityText } from '../lib/entity';
import { EntityLink } from './EntityLink';
import { Tip } from './ui';

// Shape and word carry the severity; colour only repeats it.
const SHAPES: Record<Severity, React.ReactNode> = {
  High: <path d="M8 1.2 15 14H1Z" fill="currentColor" />,
  Medium: <path d="M8 1 15 8 8 15 1 8Z" fill="currentColor" />,
  Low: <rect x="2.5" y="2.5" width="11" height="11" rx="2" fill="none" stroke="currentColor" strokeWidth="2" />,
  Informational: <circle cx="8" cy="8" r="5.6" fill="none" stroke="currentColor" strokeWidth="2" />,
};

export function SeverityMark({ severity, badge }: { severity: Severity; badge?: boolean }) {
  return (
    <span className={`severity ${badge ? 'badge' : ''}`} data-severity={severity}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        {SHAPES[severity]}
      </svg>
      {severity === 'Informational' ? 'Info' : severity}
    </span>
  );
}

const STATUS_ICONS = { New: CircleDot, Active: Circle, Closed: CircleCheck };

export function StatusMark({ status }: { status: Status }) {
  const Icon = STATUS_ICONS[status] ?? Circle;
  return (
    <span className="status" data-status={status}>
      <Icon aria-hidden="true" />
      {status}
    </span>
  );
}

export function Owner({ name, me }: { name: string | null; me?: string }) {
  if (!name) {
    return (
      <span className="row faint" style={{ gap: 6 }}>
        <span className="avatar none" aria-hidden="true" />
        Unassigned
      </span>
    );
  }
  return (
    <span className="row" style={{ gap: 6 }}>
      <span className="avatar" aria-hidden="true" data-initials={name.slice(0, 2)} />
      <span className="ellipsis">{name === me ? `${name} (me)` : name}</span>
    </span>
  );
}

type Icon = ComponentType<SVGProps<SVGSVGElement>>;
const ENTITY_ICONS: [RegExp, Icon][] = [
  [/serviceaccount/i, UserCog],
  [/account|user/i, User],
  [/pod/i, Box],
  [/workload|deployment|daemonset|statefulset/i, Boxes],
  [/cronjob/i, CalendarClock],
  [/container/i, Container],
  [/image/i, Image],
  [/node|host/i, Server],
  [/^ip|address|url|dns/i, Globe],
  [/namespace/i, Layers],
  [/cluster$/i, Network],
  [/secret|role|binding/i, FileKey],
];

export function EntityIcon({ type }: { type: string }) {
  const Found = ENTITY_ICONS.find(([pattern]) => pattern.test(type))?.[1] ?? ShieldQuestion;
  return <Found className="icon small" aria-hidden="true" />;
}

export function EntityChip({ entity }: { entity: Entity }) {
  const facts = entityFacts(entity);
  const text = entityText(entity);
  const id = ofAlert(entity);
  return (
    <Tip
      text={
        <>
          {entity.type}: {text}
          {facts.slice(0, 8).map(([name, value]) => (
            <div key={name}>
              {name}: {value}
            </div>
          ))}
        </>
      }
    >
      {id === null ? (
        <span className="chip">
          <EntityIcon type={entity.type} />
          <span>{text}</span>
        </span>
      ) : (
        <EntityLink id={id} className="chip">
          <EntityIcon type={entity.type} />
          <span>{text}</span>
        </EntityLink>
      )}
    </Tip>
  );
}

export function EntityChips({ entities, max = 4, oneLine }: { entities: Entity[]; max?: number; oneLine?: boolean }) {
  const rest = entities.length - max;
  return (
    <div className={`chips ${oneLine ? 'one' : ''}`}>
      {entities.slice(0, max).map((entity, i) => (
        <EntityChip key={`${entity.type}/${entityText(entity)}/${i}`} entity={entity} />
      ))}
      {rest > 0 && <span className="chip">+{rest}</span>}
    </div>
  );
}

export function Technique({ id }: { id: string }) {
  const name = techniqueName(id);
  const chip = <span className="chip mono">{id}</span>;
  return name === undefined ? chip : <Tip text={`${id} ${name}`}>{chip}</Tip>;
}

export function Techniques({ tactics, techniques, max = 3 }: { tactics: string[]; techniques: string[]; max?: number }) {
  const rest = techniques.length - max;
  return (
    <div style={{ minWidth: 0 }}>
      <div className="ellipsis muted" style={{ fontSize: 12 }}>
        {tactics.map(tacticName).join(', ') || '–'}
      </div>
      {techniques.length > 0 && (
        <div className="chips one" style={{ marginTop: 2 }}>
          {techniques.slice(0, max).map((id) => (
            <Technique key={id} id={id} />
          ))}
          {rest > 0 && <span className="chip mono">+{rest}</span>}
        </div>
      )}
    </div>
  );
}
