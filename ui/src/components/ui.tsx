// The few building blocks that every page uses.
import { Dialog as RDialog, DropdownMenu, Popover as RPopover, Tooltip } from 'radix-ui';
import { Checkbox } from 'radix-ui';
import { Check, ChevronDown, CircleAlert, Copy, Minus, TriangleAlert, X } from 'lucide-react';
import { useState, type ReactElement, type ReactNode } from 'react';
import { ApiError } from '../api/client';
import { absolute, relative, utc } from '../lib/time';
import { useNow } from '../lib/hooks';

/** A short explanation beside the thing that has the focus or the pointer. */
export function Tip({ text, children }: { text: ReactNode; children: ReactElement }) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Content className="tip" sideOffset={5} collisionPadding={8}>
          {text}
        </Tooltip.Content>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}

/** A moment: how long ago, and exactly when on demand. */
export function Time({ at, className }: { at: string | null | undefined; className?: string }) {
  const now = useNow();
  if (!at) return <span className="faint">–</span>;
  return (
    <Tip
      text={
        <>
          {absolute(at)}
          <br />
          {utc(at)}
        </>
      }
    >
      <time dateTime={at} className={`nowrap ${className ?? ''}`}>
        {relative(at, now)}
      </time>
    </Tip>
  );
}

/** A dialog begins at its first field, not at its closing button. */
function focusFirst(event: Event): void {
  const content = event.currentTarget as HTMLElement | null;
  const first = content?.querySelector<HTMLElement>('input:checked, input, textarea, select, .options button, form button');
  if (first) {
    event.preventDefault();
    first.focus();
  }
}

interface DialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  description?: string;
  className?: string;
  hideTitle?: boolean;
  children: ReactNode;
}

export function Dialog({ open, onOpenChange, title, description, className, hideTitle, children }: DialogProps) {
  return (
    <RDialog.Root open={open} onOpenChange={onOpenChange}>
      <RDialog.Portal>
        <RDialog.Overlay className="overlay" />
        <RDialog.Content className={`dialog ${className ?? ''}`} {...(description === undefined ? { 'aria-describedby': undefined } : {})} onOpenAutoFocus={focusFirst}>
          {hideTitle ? (
            <RDialog.Title className="sr">{title}</RDialog.Title>
          ) : (
            <div className="row spread">
              <RDialog.Title asChild>
                <h2>{title}</h2>
              </RDialog.Title>
              <RDialog.Close asChild>
                <button type="button" className="button quiet small square" aria-label="Close">
                  <X className="icon" />
                </button>
              </RDialog.Close>
            </div>
          )}
          {description !== undefined && <RDialog.Description className={hideTitle ? 'sr' : 'muted'}>{description}</RDialog.Description>}
          {children}
        </RDialog.Content>
      </RDialog.Portal>
    </RDialog.Root>
  );
}

export interface MenuItem {
  key: string;
  label: ReactNode;
  icon?: ReactNode;
  hint?: ReactNode;
  disabled?: boolean;
  onSelect: () => void;
}

/** A button that opens a list of actions. */
export function Menu({ trigger, items, caption, align = 'start' }: { trigger: ReactElement; items: (MenuItem | 'line')[]; caption?: string; align?: 'start' | 'end' }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align={align} sideOffset={4} collisionPadding={8}>
          {caption !== undefined && <div className="caption">{caption}</div>}
          {items.map((item, i) =>
            item === 'line' ? (
              <DropdownMenu.Separator key={`line${i}`} className="line" />
            ) : (
              <DropdownMenu.Item key={item.key} className="item" disabled={item.disabled} onSelect={item.onSelect}>
                {item.icon}
                <span className="grow">{item.label}</span>
                {item.hint}
              </DropdownMenu.Item>
            ),
          )}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

export function Popover({ trigger, children, open, onOpenChange, align = 'start', label }: { trigger: ReactElement; children: ReactNode; open?: boolean; onOpenChange?: (open: boolean) => void; align?: 'start' | 'end'; label: string }) {
  return (
    <RPopover.Root open={open} onOpenChange={onOpenChange}>
      <RPopover.Trigger asChild>{trigger}</RPopover.Trigger>
      <RPopover.Portal>
        <RPopover.Content className="popover" sideOffset={4} align={align} collisionPadding={8} aria-label={label}>
          {children}
        </RPopover.Content>
      </RPopover.Portal>
    </RPopover.Root>
  );
}

export function CheckBox({ checked, onChange, label }: { checked: boolean | 'indeterminate'; onChange: (checked: boolean) => void; label: string }) {
  return (
    <Checkbox.Root className="check" checked={checked} onCheckedChange={(value) => onChange(value === true)} aria-label={label} onClick={(event) => event.stopPropagation()}>
      <Checkbox.Indicator asChild>{checked === 'indeterminate' ? <Minus /> : <Check />}</Checkbox.Indicator>
    </Checkbox.Root>
  );
}

/** What went wrong and what to do, with another attempt when that makes sense. */
export function ErrorNotice({ error, retry }: { error: unknown; retry?: () => void }) {
  const message = error instanceof Error ? error.message : String(error);
  return (
    <div className="notice error" role="alert">
      <CircleAlert className="icon" />
      <div className="grow column" style={{ gap: 6 }}>
        <span>{message}</span>
        {error instanceof ApiError && error.code !== 'Unreachable' && <span className="faint mono">{error.code}</span>}
      </div>
      {retry && (
        <button type="button" className="button small" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Warning({ children }: { children: ReactNode }) {
  return (
    <div className="notice warning">
      <TriangleAlert className="icon" />
      <div className="grow">{children}</div>
    </div>
  );
}

export function Empty({ icon, title, children }: { icon: ReactNode; title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      {icon}
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Skeleton({ lines = 6 }: { lines?: number }) {
  return (
    <div className="column" style={{ padding: 16 }} role="status" aria-busy="true" aria-label="Loading">
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} className="skeleton" style={{ width: `${90 - ((i * 17) % 45)}%` }} />
      ))}
    </div>
  );
}

/** Copies a text, and says that it did. */
export function CopyButton({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  return (
    <button
      type="button"
      className="button quiet small"
      onClick={() => {
        void copyText(text).then(() => {
          setDone(true);
          setTimeout(() => setDone(false), 1500);
        });
      }}
    >
      {done ? <Check className="icon small" /> : <Copy className="icon small" />}
      {done ? 'Copied' : label}
    </button>
  );
}

/** The clipboard needs a secure origin; a plain-text server on a private network has none. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement('textarea');
  area.value = text;
  area.style.position = 'fixed';
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

export function Chevron() {
  return <ChevronDown className="icon small" />;
}
