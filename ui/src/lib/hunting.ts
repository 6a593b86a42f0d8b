// Hunting queries: Sentinel's format, read leniently, and what is asked of each.

export interface Hunt {
  id: string;
  name: string;
  description: string;
  query: string;
  tactics: string[];
  techniques: string[];
  tables: string[];
}

const strings = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : typeof value === 'string' ? value.split(',').map((v) => v.trim()) : []);

export function readHunt(id: string, name: string, description: string, body: unknown): Hunt {
  const from = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const connectors = Array.isArray(from['requiredDataConnectors']) ? (from['requiredDataConnectors'] as { dataTypes?: unknown }[]) : [];
  return {
    id,
    name,
    description,
    query: typeof from['query'] === 'string' ? from['query'].trim() : '',
    tactics: strings(from['tactics']),
    techniques: strings(from['relevantTechniques'] ?? from['techniques']),
    tables: connectors.flatMap((connector) => strings(connector.dataTypes)),
  };
}

/** The query without a final `render`, which would be in the way of what follows. */
export const bare = (query: string): string => query.trimEnd().replace(/;$/, '').replace(/\n?[ \t]*\|[ \t]*render\b[^|]*$/, '');

export const countOf = (query: string): string => `${bare(query)}\n| count`;
export const courseOf = (query: string, bin: string): string => `${bare(query)}\n| summarize Rows = count() by bin(TimeGenerated, ${bin})\n| sort by TimeGenerated asc`;
