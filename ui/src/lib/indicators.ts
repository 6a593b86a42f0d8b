// Indicators of threat intelligence: how they are read from text, and where they are looked for.
import { readCsv } from './watchlist';

export const KINDS = ['ipv4', 'ipv6', 'domain', 'url', 'sha256', 'image'] as const;
export type IndicatorKind = (typeof KINDS)[number];

export interface Indicator {
  kind: IndicatorKind;
  value: string;
  description?: string;
  confidence?: number;
  validUntil?: string;
  tags?: string[];
}

/** What a value is, by its form. */
export function kindOf(value: string): IndicatorKind | null {
  if (/^(\d{1,3}\.){3}\d{1,3}(\/\d{1,2})?$/.test(value)) return 'ipv4';
  if (/^[0-9a-f:]+:[0-9a-f:.]*(\/\d{1,3})?$/i.test(value)) return 'ipv6';
  if (/^[0-9a-f]{64}$/i.test(value)) return 'sha256';
  if (/^https?:\/\//i.test(value)) return 'url';
  if (/^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]{2,}\.?$/i.test(value)) return 'domain';
  if (/^[\w.-]+(:\d+)?\/[\w./-]+(:[\w.-]+|@sha256:[0-9a-f]{64})?$/i.test(value)) return 'image';
  return null;
}

/** Defanged addresses are how people pass indicators around. */
const armed = (value: string): string => value.trim().replaceAll('[.]', '.').replaceAll('(.)', '.').replace(/^hxxp/i, 'http');

export interface Parsed {
  indicators: Indicator[];
  /** Lines that say no indicator */
  refused: string[];
}

/** A STIX 2.1 bundle, or lines: `value` or `value,description,confidence`. */
export function readIndicators(content: string): Parsed {
  const trimmed = content.trim();
  if (trimmed.startsWith('{')) return readStix(trimmed);
  const found: Parsed = { indicators: [], refused: [] };
  for (const [value = '', description = '', confidence = ''] of readCsv(content)) {
    if (value.startsWith('#') || value.toLowerCase() === 'value') continue;
    const given = armed(value);
    const kind = kindOf(given);
    if (kind === null) found.refused.push(value);
    else found.indicators.push({ kind, value: given, ...(description === '' ? {} : { description }), ...(/^\d{1,3}$/.test(confidence) && Number(confidence) <= 100 ? { confidence: Number(confidence) } : {}) });
  }
  return found;
}

const STIX: [RegExp, IndicatorKind][] = [
  [/\[\s*ipv4-addr:value\s*=\s*'([^']+)'\s*\]/, 'ipv4'],
  [/\[\s*ipv6-addr:value\s*=\s*'([^']+)'\s*\]/, 'ipv6'],
  [/\[\s*domain-name:value\s*=\s*'([^']+)'\s*\]/, 'domain'],
  [/\[\s*url:value\s*=\s*'([^']+)'\s*\]/, 'url'],
  [/\[\s*file:hashes\.'?(?:SHA-256|SHA256)'?\s*=\s*'([^']+)'\s*\]/i, 'sha256'],
];

function readStix(content: string): Parsed {
  const found: Parsed = { indicators: [], refused: [] };
  let objects: unknown;
  try {
    objects = (JSON.parse(content) as { objects?: unknown }).objects;
  } catch {
    return { indicators: [], refused: ['the text begins like JSON and is none'] };
  }
  for (const one of Array.isArray(objects) ? (objects as Record<string, unknown>[]) : []) {
    if (one['type'] !== 'indicator') continue;
    const pattern = String(one['pattern'] ?? '');
    const match = STIX.map(([form, kind]) => [form.exec(pattern)?.[1], kind] as const).find(([value]) => value !== undefined);
    if (match?.[0] === undefined) {
      found.refused.push(pattern);
      continue;
    }
    const said = one['description'] ?? one['name'];
    found.indicators.push({
      kind: match[1],
      value: match[0],
      ...(typeof said === 'string' ? { description: said } : {}),
      ...(typeof one['confidence'] === 'number' ? { confidence: one['confidence'] } : {}),
      ...(typeof one['valid_until'] === 'string' ? { validUntil: one['valid_until'] } : {}),
      ...(Array.isArray(one['labels']) ? { tags: one['labels'].map(String) } : {}),
    });
  }
  return found;
}

/** Where indicators were seen in the last week; indicators themselves may be older. */
export const MATCHES = `let Addresses = ActiveIndicators | where ObservableKey in ("ipv4-addr:value", "ipv6-addr:value") and ObservableValue !has "/";
let Domains = ActiveIndicators | where ObservableKey == "domain-name:value";
union
  (KubernetesAudit | where TimeGenerated > ago(7d) and SourceIp in ((Addresses | project ObservableValue)) | project TimeGenerated, Where = "KubernetesAudit", Value = SourceIp, What = strcat(Username, " ", Action, " ", Namespace, "/", Name)),
  (NetworkFlow | where TimeGenerated > ago(7d) and DstIpAddr in ((Addresses | project ObservableValue)) | project TimeGenerated, Where = "NetworkFlow", Value = DstIpAddr, What = strcat(SrcNamespace, "/", SrcPodName, " to port ", tostring(DstPortNumber))),
  (IngressAccess | where TimeGenerated > ago(7d) and SrcIpAddr in ((Addresses | project ObservableValue)) | project TimeGenerated, Where = "IngressAccess", Value = SrcIpAddr, What = strcat(HttpRequestMethod, " ", Url)),
  (DnsQuery | where TimeGenerated > ago(7d) and DnsQuery in ((Domains | project ObservableValue)) | project TimeGenerated, Where = "DnsQuery", Value = DnsQuery, What = strcat("asked by ", SrcNamespace, "/", SrcPodName, " ", SrcIpAddr))
| lookup kind=leftouter (ActiveIndicators | summarize arg_max(Confidence, SourceSystem, Description) by Value = ObservableValue) on Value
| summarize Seen = count(), First = min(TimeGenerated), Last = max(TimeGenerated), What = take_any(What) by Value, Where, SourceSystem, Confidence, Description
| sort by Last desc`;
