// Results as files, made in the browser from the rows that are already here.
import type { Json, ResultColumn } from '../api/types';

const plain = (value: Json | undefined): string =>
  value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);

/**
 * CSV after RFC 4180. A text that a spreadsheet would run as a formula gets an apostrophe before it:
 * logs are written by attackers too.
 */
export function toCsv(columns: ResultColumn[], rows: Json[][]): string {
  const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const safe = (value: Json | undefined): string => {
    const text = plain(value);
    return typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? cell(`'${text}`) : cell(text);
  };
  const lines = [columns.map((c) => cell(c.name)).join(','), ...rows.map((row) => columns.map((_, i) => safe(row[i])).join(','))];
  return `${lines.join('\r\n')}\r\n`;
}

/** One JSON array of objects. */
export function toJson(columns: ResultColumn[], rows: Json[][]): string {
  return JSON.stringify(rows.map((row) => Object.fromEntries(columns.map((c, i) => [c.name, row[i] ?? null]))), null, 2);
}

/** Hands a text to the browser as a download. */
export const download = (name: string, type: string, text: string): void => downloadBlob(name, new Blob([text], { type }));

export function downloadBlob(name: string, blob: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
