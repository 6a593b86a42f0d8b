// Small pieces of query text that the portal writes for people.
import type { Json } from '../api/types';

/** A text as a KQL string literal. */
export function literal(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t');
  return `"${escaped}"`;
}

/** A name as it can stand in a query: plain, or in brackets. */
export function columnName(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : `[${literal(name)}]`;
}

/** The path of a value inside a dynamic column: `Event.user.groups[0]`; a text that holds JSON is parsed first. */
export function dynamicPath(column: string, path: (string | number)[], type = 'dynamic'): string {
  return path.reduce<string>((before, step) => {
    if (typeof step === 'number') return `${before}[${step}]`;
    return /^[A-Za-z_][A-Za-z0-9_]*$/.test(step) ? `${before}.${step}` : `${before}[${literal(step)}]`;
  }, type === 'string' && path.length > 0 ? `parse_json(${columnName(column)})` : columnName(column));
}

/** The condition that is true for rows with this value, or null when there is none. */
export function condition(column: string, type: string, value: Json, path: (string | number)[] = [], not = false): string | null {
  const place = dynamicPath(column, path, type);
  const equals = not ? '!=' : '==';
  if (path.length > 0 || type === 'dynamic') {
    if (value === null) return not ? `isnotnull(${place})` : `isnull(${place})`;
    if (typeof value === 'string') return `tostring(${place}) ${equals} ${literal(value)}`;
    if (typeof value === 'number') return `${Number.isInteger(value) ? 'tolong' : 'toreal'}(${place}) ${equals} ${value}`;
    if (typeof value === 'boolean') return `tobool(${place}) ${equals} ${value}`;
    return `tostring(${place}) ${equals} ${literal(JSON.stringify(value))}`;
  }
  if (type === 'string') return value === null || value === '' ? `${not ? 'isnotempty' : 'isempty'}(${place})` : `${place} ${equals} ${literal(String(value))}`;
  if (value === null) return not ? `isnotnull(${place})` : `isnull(${place})`;
  switch (type) {
    case 'datetime':
      return `${place} ${equals} datetime(${String(value)})`;
    case 'timespan':
      return `${place} ${equals} timespan(${String(value)})`;
    case 'guid':
      return `${place} ${equals} guid(${String(value)})`;
    case 'decimal':
      return `${place} ${equals} decimal(${String(value)})`;
    default:
      return `${place} ${equals} ${String(value)}`;
  }
}

/** Adds `| where …` to a query: before a final `render`, else at the end. */
export function addFilter(query: string, where: string): string {
  const trimmed = query.trimEnd().replace(/;$/, '');
  if (trimmed === '') return `| where ${where}`;
  const render = /\n?[ \t]*\|[ \t]*render\b[^|]*$/.exec(trimmed);
  if (render) return `${trimmed.slice(0, render.index)}\n| where ${where}\n${render[0].trim()}`;
  return `${trimmed}\n| where ${where}`;
}

/** The query that shows the events behind an alert. */
export function evidenceQuery(columns: { name: string }[], rows: Json[][], ruleQuery: string): string {
  const at = columns.findIndex((c) => c.name.toLowerCase() === 'auditid');
  if (at >= 0) {
    const ids = [...new Set(rows.map((row) => row[at]).filter((v): v is string => typeof v === 'string' && v !== ''))].slice(0, 200);
    if (ids.length > 0) {
      const listed = ids.map((id) => `    ${literal(id)}`).join(',\n');
      return `KubernetesAudit\n| where ${columnName((columns[at] as { name: string }).name)} in (\n${listed}\n)\n| sort by TimeGenerated asc`;
    }
  }
  return ruleQuery;
}
