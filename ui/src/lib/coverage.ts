// Which techniques the rules cover and the alerts saw.
import type { Rule } from '../api/types';
import { techniqueName } from './attack';
import { BEYOND, LOGS, type Technique } from './matrices';

export interface Known extends Technique {
  rules: Rule[];
  alerts: number;
  high: number;
  /** Some log that shows it arrives */
  flowing: boolean;
}

/** Alerts of one rule with one technique. */
export interface Seen {
  technique: string;
  rule: string;
  alerts: number;
  high: number;
}

/** `T1552.007` is covered by a rule for it; `T1552` also by rules for its parts. */
export const belongs = (id: string, technique: string): boolean => technique === id || technique.startsWith(`${id}.`);

export const arrives = (source: keyof typeof LOGS, filled: ReadonlySet<string>): boolean => LOGS[source].tables.some((table) => filled.has(table));

export function coverage(techniques: Technique[], matrix: 'attack' | 'kubernetes', rules: Rule[], seen: Seen[], filled: ReadonlySet<string>): Known[] {
  const mapped = (rule: Rule): string[] => (rule.threatMatrix ?? []).map((name) => name.toLowerCase());
  // Rules know techniques beyond the matrix of containers: they are shown where the rules put them.
  const extra: Technique[] = [];
  if (matrix === 'attack') {
    for (const id of new Set(rules.flatMap((rule) => rule.techniques))) {
      if (techniques.some((t) => t.id === id)) continue;
      const known = BEYOND.find((t) => t.id === id);
      if (known !== undefined) {
        extra.push(known);
        continue;
      }
      const tactics = [...new Set(rules.filter((rule) => rule.techniques.includes(id)).flatMap((rule) => techniques.find((t) => belongs(t.id, id))?.tactics ?? rule.tactics.slice(0, 1)))];
      extra.push({ id, name: techniqueName(id) ?? id, tactics, sources: ['audit'] });
    }
  }
  return [...techniques, ...extra].map((technique) => {
    const covering = rules.filter((rule) => (matrix === 'attack' ? rule.techniques.some((t) => belongs(technique.id, t)) : mapped(rule).some((name) => name === technique.name.toLowerCase() || name.startsWith(`${technique.id.toLowerCase()} `))));
    const ids = new Set(covering.map((rule) => rule.id));
    // An alert with several techniques is one alert of its rule.
    const byRule = new Map<string, Seen>();
    for (const hit of seen) {
      const fits = matrix === 'attack' ? belongs(technique.id, hit.technique) : ids.has(hit.rule);
      if (fits && (byRule.get(hit.rule)?.alerts ?? 0) < hit.alerts) byRule.set(hit.rule, hit);
    }
    const sum = (of: (s: Seen) => number): number => [...byRule.values()].reduce((total, s) => total + of(s), 0);
    return { ...technique, rules: covering, alerts: sum((s) => s.alerts), high: sum((s) => s.high), flowing: technique.sources.some((source) => arrives(source, filled)) };
  });
}
