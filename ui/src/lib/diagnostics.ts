// Where in the text a problem is, in the editor's terms.
import type { Diagnostic, Place } from '../api/types';

/** A range as Monaco counts: lines and columns from 1, columns in UTF-16 units. */
export interface TextRange {
  startLineNumber: number;
  startColumn: number;
  endLineNumber: number;
  endColumn: number;
}

/** The server counts characters; the editor counts UTF-16 units. */
export function utf16Column(line: string, column: number): number {
  let units = 0;
  let characters = 1;
  for (const character of line) {
    if (characters >= column) break;
    characters += 1;
    units += character.length;
  }
  return units + 1 + Math.max(0, column - characters);
}

/** The range of a diagnostic; a problem without width covers one character so that it can be seen. */
export function toRange(text: string, start: Place, end: Place, widen = true): TextRange {
  const lines = text.split('\n');
  const column = (place: Place): number => utf16Column(lines[place.line - 1] ?? '', place.column);
  const range = { startLineNumber: start.line, startColumn: column(start), endLineNumber: end.line, endColumn: column(end) };
  if (widen && range.startLineNumber === range.endLineNumber && range.startColumn >= range.endColumn) {
    const length = (lines[range.startLineNumber - 1] ?? '').length;
    if (range.startColumn > length && range.startColumn > 1) range.startColumn = length;
    range.endColumn = Math.max(range.startColumn + 1, range.endColumn);
  }
  return range;
}

/** A query that ran from the middle of a text reports places of its own: move them to the text. */
export function shift(diagnostics: Diagnostic[], line: number, column: number): Diagnostic[] {
  if (line === 1 && column === 1) return diagnostics;
  const move = (place: Place): Place => ({
    ...place,
    line: place.line + line - 1,
    column: place.line === 1 ? place.column + column - 1 : place.column,
  });
  return diagnostics.map((d) => ({
    ...d,
    start: move(d.start),
    end: move(d.end),
    fix: d.fix ? { ...d.fix, start: move(d.fix.start), end: move(d.fix.end) } : d.fix,
  }));
}

/** Something was put before a query: the places it reports are as many lines too low. */
export function withoutLines(diagnostics: Diagnostic[], lines: number): Diagnostic[] {
  if (lines === 0) return diagnostics;
  const move = (place: Place): Place => ({ ...place, line: Math.max(1, place.line - lines) });
  return diagnostics.map((d) => ({ ...d, start: move(d.start), end: move(d.end), fix: d.fix ? { ...d.fix, start: move(d.fix.start), end: move(d.fix.end) } : d.fix }));
}

export const isError = (diagnostic: Diagnostic): boolean => diagnostic.severity.toLowerCase() === 'error';
