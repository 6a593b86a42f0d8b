// The story of an incident in the order in which it happened.
import type { Alert, Json, ResultColumn } from '../api/types';

export type Moment =
  | { kind: 'alert'; at: number; alert: Alert }
  | { kind: 'event'; at: number; alert: Alert; columns: ResultColumn[]; row: Json[]; summary: string };

const AT = ['TimeGenerated', 'RequestReceivedTime', 'StageTimestamp', 'Timestamp'];

const find = (columns: ResultColumn[], names: string[]): number => {
  for (const name of names) {
    const at = columns.findIndex((c) => c.name.toLowerCase() === name.toLowerCase());
    if (at >= 0) return at;
  }
  return -1;
};

const word = (value: Json | undefined): string => {
  if (value === null || value === undefined || value === '') return '';
  if (typeof value === 'object' && !Array.isArray(value)) return String(value['username'] ?? value['name'] ?? '');
  return Array.isArray(value) ? value.map(String).join(', ') : String(value);
};

/** Who did what to what, from the columns that rows of audit events usually have. */
export function summarize(columns: ResultColumn[], row: Json[]): string {
  const get = (...names: string[]): string => {
    const at = find(columns, names);
    return at < 0 ? '' : word(row[at]);
  };
  const who = get('Username', 'UserName', 'User', 'Actor', 'Account');
  const verb = get('EventType', 'Verb', 'Action', 'OperationName');
  const resource = [get('Resource', 'ObjectResource', 'Kind'), get('Subresource')].filter((v) => v !== '').join('/');
  const place = [get('Namespace', 'ObjectNamespace'), get('ObjectName', 'ResourceName', 'Name', 'PodName')].filter((v) => v !== '').join('/');
  const from = get('SourceIp', 'SourceIP', 'SourceIPs', 'SourceIps', 'ClientIP');
  const text = [who, verb.toLowerCase(), resource, place].filter((v) => v !== '').join(' ');
  if (text === '') {
    return row
      .map((value, i) => [columns[i]?.name ?? '', word(value)] as const)
      .filter(([name, value]) => value !== '' && !AT.includes(name))
      .slice(0, 4)
      .map(([name, value]) => `${name} ${value.slice(0, 80)}`)
      .join(', ');
  }
  const command = get('Command');
  const told = from === '' ? text : `${text} from ${from}`;
  return command === '' ? told : `${told}: ${command}`;
}

/** Alerts and their events, oldest first; an event that several alerts rest on appears once. */
export function timeline(alerts: Alert[]): Moment[] {
  const moments: Moment[] = [];
  const seen = new Set<string>();
  for (const alert of alerts) {
    moments.push({ kind: 'alert', at: Date.parse(alert.lastActivity), alert });
    const { columns, rows } = alert.evidence;
    const time = find(columns, AT);
    if (time < 0) continue;
    const id = find(columns, ['AuditId', 'AuditID', 'EventId']);
    for (const row of rows) {
      const at = Date.parse(String(row[time]));
      if (Number.isNaN(at)) continue;
      const key = id >= 0 ? `${String(row[id])}` : JSON.stringify(row);
      if (seen.has(key)) continue;
      seen.add(key);
      moments.push({ kind: 'event', at, alert, columns, row, summary: summarize(columns, row) });
    }
  }
  return moments.sort((a, b) => a.at - b.at || (a.kind === 'event' ? -1 : 1));
}
