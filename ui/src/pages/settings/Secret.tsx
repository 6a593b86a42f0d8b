import { KeyRound } from 'lucide-react';
import type { ReactNode } from 'react';
import { CopyButton } from '../../components/ui';

/** Something that is shown once and never again. */
export function Secret({ title, secret, children, onDone }: { title: string; secret: string; children: ReactNode; onDone: () => void }) {
  return (
    <div className="notice ok" role="status">
      <KeyRound className="icon" />
      <div className="grow column" style={{ gap: 8 }}>
        <b>{title}</b>
        <span className="muted">{children}</span>
        <div className="row wrap">
          <code style={{ userSelect: 'all', overflowWrap: 'anywhere' }} data-testid="secret">
            {secret}
          </code>
          <CopyButton text={secret} />
          <button type="button" className="button small" onClick={onDone}>
            I have kept it
          </button>
        </div>
      </div>
    </div>
  );
}
