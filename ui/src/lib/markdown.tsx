// The part of Markdown that comments need, turned into elements and never into HTML text, so nothing
// that somebody writes can become markup.
import { Fragment, type ReactNode } from 'react';

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'strong' | 'emphasis'; parts: Inline[] }
  | { kind: 'link'; text: string; href: string };

export type Block =
  | { kind: 'paragraph'; lines: Inline[][] }
  | { kind: 'heading'; parts: Inline[] }
  | { kind: 'code'; text: string }
  | { kind: 'quote'; lines: Inline[][] }
  | { kind: 'list'; ordered: boolean; items: Inline[][] };

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|(?<![\w*])[*_]([^*_]+)[*_](?!\w)|\[([^\]]+)\]\(([^)\s]+)\)|(https?:\/\/[^\s<>()]+[^\s<>().,;:!?'"])/g;

/** Only addresses that open a page, here or elsewhere. */
export const safeHref = (href: string): boolean => /^(https?:\/\/|mailto:|\/(?!\/)|#)/i.test(href);

export function parseInline(text: string): Inline[] {
  const parts: Inline[] = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > end) parts.push({ kind: 'text', text: text.slice(end, match.index) });
    end = match.index + match[0].length;
    const [, code, strong, emphasis, label, href, bare] = match;
    if (code !== undefined) parts.push({ kind: 'code', text: code });
    else if (strong !== undefined) parts.push({ kind: 'strong', parts: parseInline(strong) });
    else if (emphasis !== undefined) parts.push({ kind: 'emphasis', parts: parseInline(emphasis) });
    else if (label !== undefined && href !== undefined && safeHref(href)) parts.push({ kind: 'link', text: label, href });
    else if (bare !== undefined) parts.push({ kind: 'link', text: bare, href: bare });
    else parts.push({ kind: 'text', text: match[0] });
  }
  if (end < text.length) parts.push({ kind: 'text', text: text.slice(end) });
  return parts;
}

export function parseMarkdown(source: string): Block[] {
  const blocks: Block[] = [];
  const lines = source.replaceAll('\r\n', '\n').split('\n');
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] as string;
    if (line.trim() === '') {
      at += 1;
    } else if (line.startsWith('```')) {
      const close = lines.findIndex((l, i) => i > at && l.startsWith('```'));
      const end = close < 0 ? lines.length : close;
      blocks.push({ kind: 'code', text: lines.slice(at + 1, end).join('\n') });
      at = end + 1;
    } else if (/^#{1,6}\s/.test(line)) {
      blocks.push({ kind: 'heading', parts: parseInline(line.replace(/^#{1,6}\s+/, '')) });
      at += 1;
    } else if (/^\s*([-*]|\d+[.)])\s+/.test(line)) {
      const ordered = /^\s*\d/.test(line);
      const items: Inline[][] = [];
      while (at < lines.length && /^\s*([-*]|\d+[.)])\s+/.test(lines[at] as string)) {
        items.push(parseInline((lines[at] as string).replace(/^\s*([-*]|\d+[.)])\s+/, '')));
        at += 1;
      }
      blocks.push({ kind: 'list', ordered, items });
    } else if (line.startsWith('>')) {
      const quoted: Inline[][] = [];
      while (at < lines.length && (lines[at] as string).startsWith('>')) {
        quoted.push(parseInline((lines[at] as string).replace(/^>\s?/, '')));
        at += 1;
      }
      blocks.push({ kind: 'quote', lines: quoted });
    } else {
      const paragraph: Inline[][] = [];
      while (at < lines.length && (lines[at] as string).trim() !== '' && !/^(```|#{1,6}\s|>|\s*([-*]|\d+[.)])\s+)/.test(lines[at] as string)) {
        paragraph.push(parseInline(lines[at] as string));
        at += 1;
      }
      blocks.push({ kind: 'paragraph', lines: paragraph });
    }
  }
  return blocks;
}

/** The first line of a text without its marks, for lists. */
export function plainText(source: string): string {
  const flat = (parts: Inline[]): string => parts.map((part) => ('parts' in part ? flat(part.parts) : part.text)).join('');
  const first = parseMarkdown(source).find((block) => block.kind === 'paragraph');
  return first?.kind === 'paragraph' ? first.lines.map(flat).join(' ') : '';
}

function inline(parts: Inline[]): ReactNode {
  return parts.map((part, i) => {
    switch (part.kind) {
      case 'text':
        return <Fragment key={i}>{part.text}</Fragment>;
      case 'code':
        return <code key={i}>{part.text}</code>;
      case 'strong':
        return <strong key={i}>{inline(part.parts)}</strong>;
      case 'emphasis':
        return <em key={i}>{inline(part.parts)}</em>;
      case 'link': {
        const outside = /^https?:/i.test(part.href);
        return (
          <a key={i} href={part.href} {...(outside ? { target: '_blank', rel: 'noreferrer noopener' } : {})}>
            {part.text}
          </a>
        );
      }
    }
  });
}

const broken = (lines: Inline[][]): ReactNode =>
  lines.map((line, i) => (
    <Fragment key={i}>
      {i > 0 && <br />}
      {inline(line)}
    </Fragment>
  ));

/** Renders a text that a person wrote. */
export function Markdown({ text }: { text: string }) {
  return (
    <div className="markdown">
      {parseMarkdown(text).map((block, i) => {
        switch (block.kind) {
          case 'paragraph':
            return <p key={i}>{broken(block.lines)}</p>;
          case 'heading':
            return <h4 key={i}>{inline(block.parts)}</h4>;
          case 'code':
            return (
              <pre key={i}>
                <code>{block.text}</code>
              </pre>
            );
          case 'quote':
            return <blockquote key={i}>{broken(block.lines)}</blockquote>;
          case 'list': {
            const items = block.items.map((item, j) => <li key={j}>{inline(item)}</li>);
            return block.ordered ? <ol key={i}>{items}</ol> : <ul key={i}>{items}</ul>;
          }
        }
      })}
    </div>
  );
}
