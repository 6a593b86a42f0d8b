// What happened, told from what is known: who, when, from where, to what, what the rules said, what people did.
import type { Entity, IncidentDetail } from '../api/types';
import { tacticName } from './attack';
import { entityText } from './entity';
import { absolute, duration } from './time';

const ACTORS = new Set(['Account', 'KubernetesServiceAccount', 'KubernetesUser']);
const PLACES = new Set(['IP']);
const HIDDEN = new Set(['KubernetesCluster']);
const NAMES: Record<string, [string, string]> = {
  KubernetesPod: ['pod', 'pods'],
  KubernetesNamespace: ['namespace', 'namespaces'],
  KubernetesNode: ['node', 'nodes'],
  ContainerImage: ['image', 'images'],
  KubernetesWorkload: ['workload', 'workloads'],
  KubernetesSecret: ['secret', 'secrets'],
  KubernetesRole: ['role or binding', 'roles and bindings'],
  KubernetesService: ['service', 'services'],
  KubernetesCronJob: ['cron job', 'cron jobs'],
};

/** `a, b and 3 more`, each as code. */
function listed(entities: Entity[], most = 3): string {
  const names = [...new Set(entities.map((e) => `\`${entityText(e)}\``))];
  const rest = names.length - most;
  const shown = names.slice(0, most);
  if (rest > 0) return `${shown.join(', ')} and ${rest} more`;
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}

/** The tactics in the order in which the alerts first showed them. */
function course(incident: IncidentDetail): string[] {
  const alerts = [...incident.alerts].sort((a, b) => Date.parse(a.firstActivity) - Date.parse(b.firstActivity));
  return [...new Set(alerts.flatMap((alert) => alert.tactics.slice(0, 1)))];
}

/** The story as Markdown, one paragraph or two. */
export function story(incident: IncidentDetail): string {
  const actors = incident.entities.filter((e) => ACTORS.has(e.type));
  const places = incident.entities.filter((e) => PLACES.has(e.type));
  const others = incident.entities.filter((e) => !ACTORS.has(e.type) && !PLACES.has(e.type) && !HIDDEN.has(e.type));
  const lasted = Date.parse(incident.lastActivity) - Date.parse(incident.firstActivity);
  const when = lasted < 1000 ? `At ${absolute(incident.firstActivity)}` : `Within ${duration(lasted)} from ${absolute(incident.firstActivity)}`;
  const who = actors.length === 0 ? 'somebody' : listed(actors);
  const from = places.length === 0 ? '' : `, from ${listed(places)},`;
  const count = incident.alerts.length;
  const rules = [...new Set(incident.alerts.map((a) => a.ruleName))];
  const sentences = [`${when}, ${who}${from} set off ${count === 1 ? 'an alert' : `${count} alerts`} of ${rules.length === 1 ? `the rule **${rules[0]}**` : `${rules.length} rules`}${incident.cluster ? ` in the cluster \`${incident.cluster}\`` : ''}.`];
  const ordered = [...incident.alerts].sort((a, b) => Date.parse(a.firstActivity) - Date.parse(b.firstActivity));
  const first = ordered[0];
  const last = ordered.at(-1);
  if (count > 1 && first !== undefined && last !== undefined && first.title !== last.title) {
    sentences.push(`It began with **${first.title}**${count > 2 ? ', went on' : ''} and ${count > 2 ? 'last came to' : 'then came'} **${last.title}**.`);
  }
  const byType = new Map<string, Entity[]>();
  for (const entity of others) byType.set(entity.type, [...(byType.get(entity.type) ?? []), entity]);
  const touched = [...byType].slice(0, 4).map(([type, entities]) => {
    const [one, many] = NAMES[type] ?? [type.replace(/^Kubernetes/, '').toLowerCase(), `${type.replace(/^Kubernetes/, '').toLowerCase()}s`];
    return `the ${new Set(entities.map(entityText)).size === 1 ? one : many} ${listed(entities, 2)}`;
  });
  if (touched.length > 0) sentences.push(`It concerns ${touched.length === 1 ? touched[0] : `${touched.slice(0, -1).join(', ')} and ${touched.at(-1)}`}.`);
  const tactics = course(incident);
  if (tactics.length > 1) sentences.push(`In the words of ATT&CK it went from ${tactics.map((t) => tacticName(t).toLowerCase()).join(' to ')}.`);

  const people: string[] = [];
  const taken = incident.activity.find((entry) => entry.field === 'owner' && entry.to);
  if (taken?.to) people.push(`${taken.to} took it ${duration(Math.max(0, Date.parse(taken.at) - Date.parse(incident.createdAt)))} after it was opened.`);
  else if (incident.owner !== null && incident.owner !== '') people.push(`${incident.owner} has it.`);
  else people.push('Nobody has it yet.');
  if (incident.closedAt !== null) people.push(`It was closed after ${duration(Date.parse(incident.closedAt) - Date.parse(incident.createdAt))}${incident.classification === null ? '' : ` as ${incident.classification.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()}`}.`);
  return `${sentences.join(' ')}\n\n${people.join(' ')}`;
}
