// The kinds of things that have a page of their own, and the queries that say what is known of them.
import type { Entity } from '../api/types';
import { literal } from './kql';

export const ENTITY_KINDS = ['account', 'serviceaccount', 'workload', 'pod', 'namespace', 'node', 'image', 'address'] as const;
export type EntityKind = (typeof ENTITY_KINDS)[number];

/** Which thing: `name` as people say it; workloads, pods and service accounts also have a namespace. */
export interface EntityId {
  kind: EntityKind;
  name: string;
  namespace?: string;
}

export interface Related {
  title: string;
  /** Kind of the rows, which lead to its page; absent: plain text */
  kind?: EntityKind;
  /** Columns Name, Events, and Namespace where the kind has one */
  query: string;
}

export interface EntityDefinition {
  label: string;
  plural: string;
  /** The type that alerts name it by */
  types: string[];
  namespaced: boolean;
  about: string;
  /** Columns Name, (Namespace,) Events, … of all that occur */
  all: string;
  /** What it did; absent where it does nothing itself */
  by?: (id: EntityId) => string;
  /** What happened to it */
  to?: (id: EntityId) => string;
  /** One row of facts */
  facts: (id: EntityId) => string;
  related: (id: EntityId) => Related[];
}

const SERVICE = 'system:serviceaccount:';
const login = (id: EntityId): string => (id.kind === 'serviceaccount' ? `${SERVICE}${id.namespace ?? ''}:${id.name}` : id.kind === 'node' ? `system:node:${id.name}` : id.name);
const isLogin = (id: EntityId): string => `Username == ${literal(login(id))}`;
const isPod = (id: EntityId): string => `Resource == "pods" and Name == ${literal(id.name)}${id.namespace === undefined ? '' : ` and Namespace == ${literal(id.namespace)}`}`;
const top = 'top 12 by Events';
const counted = 'Events = count(), Latest = max(TimeGenerated)';

const WORKLOADS = '("deployments", "statefulsets", "daemonsets", "replicasets", "jobs", "cronjobs", "replicationcontrollers")';
const inNamespace = (id: EntityId): string => (id.namespace === undefined || id.namespace === '' ? '' : ` and Namespace == ${literal(id.namespace)}`);
const isWorkload = (id: EntityId): string => `Resource in ${WORKLOADS} and Name == ${literal(id.name)}${inNamespace(id)}`;
/** Pods carry the name of their workload before a part that is made up. */
const isPodOf = (id: EntityId): string => `Resource == "pods" and (Name startswith ${literal(`${id.name}-`)} or tostring(RequestObject.metadata.generateName) startswith ${literal(`${id.name}-`)})${inNamespace(id)}`;

const PODS_WRITTEN = `KubernetesAudit
| where Resource == "pods" and Verb == "create" and Subresource == "" and ResponseCode < 300
| extend Object = iff(isnotnull(ResponseObject.spec), ResponseObject, RequestObject)`;

const images = `${PODS_WRITTEN}
| mv-expand Container = KubernetesContainers(Object)
| extend Image = tostring(Container.image)
| where isnotempty(Image)`;

const actorRelated = (id: EntityId): Related[] => [
  { title: 'Addresses it comes from', kind: 'address', query: `KubernetesAudit\n| where ${isLogin(id)}\n| summarize ${counted} by Name = SourceIp\n| ${top}` },
  { title: 'What it does', query: `KubernetesAudit\n| where ${isLogin(id)}\n| summarize ${counted} by Name = Action\n| ${top}` },
  { title: 'Namespaces it works in', kind: 'namespace', query: `KubernetesAudit\n| where ${isLogin(id)} and isnotempty(Namespace)\n| summarize ${counted} by Name = Namespace\n| ${top}` },
  { title: 'Clients it uses', query: `KubernetesAudit\n| where ${isLogin(id)}\n| summarize ${counted} by Name = UserAgent\n| ${top}` },
  { title: 'Pods it ran commands in', kind: 'pod', query: `KubernetesAudit\n| where ${isLogin(id)} and Resource == "pods" and Subresource in ("exec", "attach", "portforward", "ephemeralcontainers")\n| summarize ${counted} by Name, Namespace\n| ${top}` },
  { title: 'Why it was allowed', query: `KubernetesAudit\n| where ${isLogin(id)} and isnotempty(DecisionReason)\n| summarize ${counted} by Name = DecisionReason\n| ${top}` },
];

const actorFacts = (id: EntityId): string => `KubernetesAudit
| where ${isLogin(id)}
| summarize ['First seen'] = min(TimeGenerated), ['Last seen'] = max(TimeGenerated), Requests = count(), Refused = countif(ResponseCode in (401, 403)), Writes = countif(Verb in ("create", "update", "patch", "delete", "deletecollection")), Addresses = dcount(SourceIp), Namespaces = dcount(Namespace), Groups = take_any(UserGroups), Impersonated = make_set_if(ImpersonatedUsername, isnotempty(ImpersonatedUsername), 10)`;

export const ENTITIES: Record<EntityKind, EntityDefinition> = {
  account: {
    label: 'Account',
    plural: 'Accounts',
    types: ['Account', 'KubernetesUser'],
    namespaced: false,
    about: 'People and programs that sign in at the API server under a name of their own.',
    all: `KubernetesAudit
| where isnotempty(Username) and not(Username startswith "${SERVICE}") and not(Username startswith "system:node:")
| summarize Events = count(), Refused = countif(ResponseCode in (401, 403)), Writes = countif(Verb in ("create", "update", "patch", "delete", "deletecollection")), Addresses = dcount(SourceIp), Latest = max(TimeGenerated) by Name = Username`,
    by: isLogin,
    facts: actorFacts,
    related: actorRelated,
  },
  serviceaccount: {
    label: 'Service account',
    plural: 'Service accounts',
    types: ['KubernetesServiceAccount', 'Account'],
    namespaced: true,
    about: 'Identities of workloads, by namespace.',
    all: `KubernetesAudit
| where Username startswith "${SERVICE}"
| extend Parts = split(Username, ":")
| summarize Events = count(), Refused = countif(ResponseCode in (401, 403)), Writes = countif(Verb in ("create", "update", "patch", "delete", "deletecollection")), Addresses = dcount(SourceIp), Latest = max(TimeGenerated) by Name = tostring(Parts[3]), Namespace = tostring(Parts[2])`,
    by: isLogin,
    to: (id) => `Resource == "serviceaccounts" and Name == ${literal(id.name)} and Namespace == ${literal(id.namespace ?? '')}`,
    facts: actorFacts,
    related: (id) => [
      ...actorRelated(id),
      {
        title: 'Pods that run as it',
        kind: 'pod',
        query: `${PODS_WRITTEN}\n| where Namespace == ${literal(id.namespace ?? '')} and tostring(Object.spec.serviceAccountName) == ${literal(id.name)}\n| summarize ${counted} by Name, Namespace\n| ${top}`,
      },
      { title: 'Who asked for its tokens', kind: 'account', query: `KubernetesAudit\n| where Resource == "serviceaccounts" and Subresource == "token" and Name == ${literal(id.name)} and Namespace == ${literal(id.namespace ?? '')}\n| summarize ${counted} by Name = Username\n| ${top}` },
    ],
  },
  workload: {
    label: 'Workload',
    plural: 'Workloads',
    types: ['KubernetesWorkload', 'KubernetesDeployment', 'KubernetesDaemonSet', 'KubernetesStatefulSet', 'KubernetesJob', 'KubernetesCronJob'],
    namespaced: true,
    about: 'Deployments, stateful and daemon sets, jobs: what pods are made of.',
    all: `KubernetesAudit
| where Resource in ${WORKLOADS} and isnotempty(Name)
| summarize Events = count(), Writes = countif(Verb in ("create", "update", "patch", "delete") and Subresource != "status"), Accounts = dcount(Username), Kinds = make_set(Resource, 4), Latest = max(TimeGenerated) by Name, Namespace`,
    to: (id) => `(${isWorkload(id)}) or (${isPodOf(id)} and Subresource in ("exec", "attach", "portforward", "ephemeralcontainers"))`,
    facts: (id) => `KubernetesAudit
| where ${isWorkload(id)}
| extend Object = iff(isnotnull(ResponseObject.spec), ResponseObject, RequestObject)
| extend Pod = iff(isnotnull(Object.spec.template), Object.spec.template.spec, Object.spec.jobTemplate.spec.template.spec)
| summarize Kind = make_set(Resource, 4), ['First seen'] = min(TimeGenerated), ['Last seen'] = max(TimeGenerated), Created = minif(TimeGenerated, Verb == "create" and Subresource == ""), ['Created by'] = take_anyif(Username, Verb == "create" and Subresource == ""), ['Last written'] = maxif(TimeGenerated, Verb in ("create", "update", "patch") and Subresource == ""), Writes = countif(Verb in ("create", "update", "patch") and Subresource == ""), Scaled = countif(Subresource == "scale"), ['Service account'] = take_anyif(tostring(Pod.serviceAccountName), isnotempty(tostring(Pod.serviceAccountName))), ['Host network'] = take_anyif(tobool(Pod.hostNetwork), isnotnull(Pod.hostNetwork)), Deleted = maxif(TimeGenerated, Verb == "delete" and Subresource == "")`,
    related: (id) => [
      { title: 'Who changed it', kind: 'account', query: `KubernetesAudit\n| where ${isWorkload(id)} and Verb in ("create", "update", "patch", "delete") and isnotempty(Username)\n| summarize ${counted} by Name = Username\n| ${top}` },
      { title: 'Its pods', kind: 'pod', query: `KubernetesAudit\n| where ${isPodOf(id)} and isnotempty(Name)\n| summarize ${counted} by Name, Namespace\n| ${top}` },
      { title: 'Its images', kind: 'image', query: `${images}\n| where Name startswith ${literal(`${id.name}-`)} or tostring(RequestObject.metadata.generateName) startswith ${literal(`${id.name}-`)}${id.namespace === undefined || id.namespace === '' ? '' : `\n| where Namespace == ${literal(id.namespace)}`}\n| summarize ${counted} by Name = Image\n| ${top}` },
      { title: 'Commands run in its pods', query: `KubernetesAudit\n| where ${isPodOf(id)} and isnotempty(Command)\n| summarize ${counted} by Name = Command\n| ${top}` },
      { title: 'Addresses that changed it', kind: 'address', query: `KubernetesAudit\n| where ${isWorkload(id)} and Verb in ("create", "update", "patch", "delete")\n| summarize ${counted} by Name = SourceIp\n| ${top}` },
      { title: 'What is done to it', query: `KubernetesAudit\n| where ${isWorkload(id)}\n| summarize ${counted} by Name = Action\n| ${top}` },
    ],
  },
  pod: {
    label: 'Pod',
    plural: 'Pods',
    types: ['KubernetesPod'],
    namespaced: true,
    about: 'Pods that requests were about.',
    all: `KubernetesAudit
| where Resource == "pods" and isnotempty(Name)
| summarize Events = count(), Commands = countif(Subresource in ("exec", "attach")), Accounts = dcount(Username), Latest = max(TimeGenerated) by Name, Namespace`,
    to: isPod,
    facts: (id) => `KubernetesAudit
| where ${isPod(id)}
| extend Object = iff(isnotnull(ResponseObject.spec), ResponseObject, RequestObject)
| summarize ['First seen'] = min(TimeGenerated), ['Last seen'] = max(TimeGenerated), Requests = count(), Commands = countif(Subresource in ("exec", "attach")), Created = minif(TimeGenerated, Verb == "create" and Subresource == ""), ['Created by'] = take_anyif(Username, Verb == "create" and Subresource == ""), Node = take_anyif(tostring(coalesce(Object.target.name, Object.spec.nodeName)), isnotempty(tostring(coalesce(Object.target.name, Object.spec.nodeName)))), ['Service account'] = take_anyif(tostring(Object.spec.serviceAccountName), isnotempty(tostring(Object.spec.serviceAccountName))), Labels = take_anyif(Object.metadata.labels, isnotnull(Object.metadata.labels)), Deleted = maxif(TimeGenerated, Verb == "delete" and Subresource == "")`,
    related: (id) => [
      { title: 'Who acted on it', kind: 'account', query: `KubernetesAudit\n| where ${isPod(id)} and isnotempty(Username)\n| summarize ${counted} by Name = Username\n| ${top}` },
      { title: 'Commands run in it', query: `KubernetesAudit\n| where ${isPod(id)} and isnotempty(Command)\n| summarize ${counted} by Name = Command\n| ${top}` },
      { title: 'Its images', kind: 'image', query: `${images}\n| where Name == ${literal(id.name)}${id.namespace === undefined ? '' : ` and Namespace == ${literal(id.namespace)}`}\n| summarize ${counted} by Name = Image\n| ${top}` },
      { title: 'The node it was put on', kind: 'node', query: `KubernetesAudit\n| where ${isPod(id)} and Subresource == "binding"\n| summarize ${counted} by Name = tostring(RequestObject.target.name)\n| where isnotempty(Name)\n| ${top}` },
      { title: 'Addresses that reached it', kind: 'address', query: `KubernetesAudit\n| where ${isPod(id)}\n| summarize ${counted} by Name = SourceIp\n| ${top}` },
    ],
  },
  namespace: {
    label: 'Namespace',
    plural: 'Namespaces',
    types: ['KubernetesNamespace'],
    namespaced: false,
    about: 'Namespaces that requests were about.',
    all: `KubernetesAudit
| where isnotempty(Namespace)
| summarize Events = count(), Refused = countif(ResponseCode in (401, 403)), Writes = countif(Verb in ("create", "update", "patch", "delete", "deletecollection")), Accounts = dcount(Username), Latest = max(TimeGenerated) by Name = Namespace`,
    to: (id) => `Namespace == ${literal(id.name)}`,
    facts: (id) => `KubernetesAudit
| where Namespace == ${literal(id.name)}
| summarize ['First seen'] = min(TimeGenerated), ['Last seen'] = max(TimeGenerated), Requests = count(), Refused = countif(ResponseCode in (401, 403)), Writes = countif(Verb in ("create", "update", "patch", "delete", "deletecollection")), Accounts = dcount(Username), Pods = dcountif(Name, Resource == "pods"), Commands = countif(Subresource in ("exec", "attach")), ['Secrets read'] = countif(Resource == "secrets" and Verb in ("get", "list"))`,
    related: (id) => [
      { title: 'Who works in it', kind: 'account', query: `KubernetesAudit\n| where Namespace == ${literal(id.name)} and isnotempty(Username)\n| summarize ${counted} by Name = Username\n| ${top}` },
      { title: 'What is done', query: `KubernetesAudit\n| where Namespace == ${literal(id.name)}\n| summarize ${counted} by Name = Action\n| ${top}` },
      { title: 'Pods with most requests', kind: 'pod', query: `KubernetesAudit\n| where Namespace == ${literal(id.name)} and Resource == "pods" and isnotempty(Name)\n| summarize ${counted} by Name, Namespace\n| ${top}` },
      { title: 'Images started', kind: 'image', query: `${images}\n| where Namespace == ${literal(id.name)}\n| summarize ${counted} by Name = Image\n| ${top}` },
      { title: 'Commands run', query: `KubernetesAudit\n| where Namespace == ${literal(id.name)} and isnotempty(Command)\n| summarize ${counted} by Name = Command\n| ${top}` },
      { title: 'Refused', kind: 'account', query: `KubernetesAudit\n| where Namespace == ${literal(id.name)} and ResponseCode in (401, 403)\n| summarize ${counted} by Name = Username\n| ${top}` },
    ],
  },
  node: {
    label: 'Node',
    plural: 'Nodes',
    types: ['KubernetesNode', 'Host', 'Account'],
    namespaced: false,
    about: 'Nodes, by what their kubelets ask and what is scheduled on them.',
    all: `KubernetesAudit
| extend Name = case(Username startswith "system:node:", substring(Username, 12), Resource == "nodes", Name, Subresource == "binding", tostring(RequestObject.target.name), "")
| where isnotempty(Name)
| summarize Events = count(), ['Pods placed'] = countif(Subresource == "binding"), Latest = max(TimeGenerated) by Name`,
    by: isLogin,
    to: (id) => `Resource == "nodes" and Name == ${literal(id.name)}`,
    facts: (id) => `KubernetesAudit
| where ${isLogin(id)} or (Resource == "nodes" and Name == ${literal(id.name)}) or (Subresource == "binding" and tostring(RequestObject.target.name) == ${literal(id.name)})
| summarize ['First seen'] = min(TimeGenerated), ['Last seen'] = max(TimeGenerated), Requests = countif(${isLogin(id)}), ['Pods placed'] = countif(Subresource == "binding"), Addresses = make_set_if(SourceIp, ${isLogin(id)}, 10), Clients = make_set_if(UserAgent, ${isLogin(id)}, 5)`,
    related: (id) => [
      { title: 'Pods placed on it', kind: 'pod', query: `KubernetesAudit\n| where Subresource == "binding" and tostring(RequestObject.target.name) == ${literal(id.name)}\n| summarize ${counted} by Name, Namespace\n| ${top}` },
      { title: 'Addresses of its kubelet', kind: 'address', query: `KubernetesAudit\n| where ${isLogin(id)}\n| summarize ${counted} by Name = SourceIp\n| ${top}` },
      { title: 'Clients that use its identity', query: `KubernetesAudit\n| where ${isLogin(id)}\n| summarize ${counted} by Name = UserAgent\n| ${top}` },
      { title: 'Who acted on it', kind: 'account', query: `KubernetesAudit\n| where Resource == "nodes" and Name == ${literal(id.name)}\n| summarize ${counted} by Name = Username\n| ${top}` },
    ],
  },
  image: {
    label: 'Image',
    plural: 'Images',
    types: ['ContainerImage'],
    namespaced: false,
    about: 'Images of the containers of pods that were created.',
    all: `${images}
| summarize Events = count(), Pods = dcount(Name), Namespaces = dcount(Namespace), Latest = max(TimeGenerated) by Name = Image`,
    to: (id) => `isnotnull(RequestObject) and tostring(RequestObject) contains ${literal(id.name)}`,
    facts: (id) => `${images}
| where Image == ${literal(id.name)}
| summarize ['First seen'] = min(TimeGenerated), ['Last seen'] = max(TimeGenerated), Starts = count(), Pods = dcount(Name), Namespaces = make_set(Namespace, 20), ['Created by'] = make_set(Username, 10), Privileged = countif(tobool(Container.securityContext.privileged))
| where Starts > 0`,
    related: (id) => [
      { title: 'Pods that run it', kind: 'pod', query: `${images}\n| where Image == ${literal(id.name)}\n| summarize ${counted} by Name, Namespace\n| ${top}` },
      { title: 'Who brought it', kind: 'account', query: `KubernetesAudit\n| where Verb in ("create", "update", "patch") and isnotnull(RequestObject) and tostring(RequestObject) contains ${literal(id.name)}\n| summarize ${counted} by Name = Username\n| ${top}` },
      { title: 'Namespaces', kind: 'namespace', query: `${images}\n| where Image == ${literal(id.name)}\n| summarize ${counted} by Name = Namespace\n| ${top}` },
    ],
  },
  address: {
    label: 'Address',
    plural: 'Addresses',
    types: ['IP'],
    namespaced: false,
    about: 'Addresses that requests came from.',
    all: `KubernetesAudit
| where isnotempty(SourceIp)
| summarize Events = count(), Refused = countif(ResponseCode in (401, 403)), Accounts = dcount(Username), Clients = dcount(UserAgent), Latest = max(TimeGenerated) by Name = SourceIp`,
    by: (id) => `SourceIp == ${literal(id.name)}`,
    facts: (id) => `KubernetesAudit
| where SourceIp == ${literal(id.name)}
| summarize ['First seen'] = min(TimeGenerated), ['Last seen'] = max(TimeGenerated), Requests = count(), Refused = countif(ResponseCode in (401, 403)), Accounts = dcount(Username), Clients = dcount(UserAgent), Public = take_any(IsPublicAddress(SourceIp))`,
    related: (id) => [
      { title: 'Who comes from it', kind: 'account', query: `KubernetesAudit\n| where SourceIp == ${literal(id.name)}\n| summarize ${counted} by Name = iff(isempty(Username), "(not signed in)", Username)\n| ${top}` },
      { title: 'Clients', query: `KubernetesAudit\n| where SourceIp == ${literal(id.name)}\n| summarize ${counted} by Name = UserAgent\n| ${top}` },
      { title: 'What is asked', query: `KubernetesAudit\n| where SourceIp == ${literal(id.name)}\n| summarize ${counted} by Name = iff(isempty(Action), RequestUri, Action)\n| ${top}` },
      { title: 'Namespaces', kind: 'namespace', query: `KubernetesAudit\n| where SourceIp == ${literal(id.name)} and isnotempty(Namespace)\n| summarize ${counted} by Name = Namespace\n| ${top}` },
      { title: 'Pods it ran commands in', kind: 'pod', query: `KubernetesAudit\n| where SourceIp == ${literal(id.name)} and Resource == "pods" and Subresource in ("exec", "attach", "portforward")\n| summarize ${counted} by Name, Namespace\n| ${top}` },
    ],
  },
};

/** Which page a login has: a service account's, a node's, or an account's. */
export function ofLogin(username: string): EntityId {
  const service = /^system:serviceaccount:([^:]*):(.*)$/.exec(username);
  if (service) return { kind: 'serviceaccount', name: service[2] ?? '', namespace: service[1] ?? '' };
  const node = /^system:node:(.+)$/.exec(username);
  if (node) return { kind: 'node', name: node[1] ?? '' };
  return { kind: 'account', name: username };
}

/** The page of an entity of an alert; null for kinds without one. */
export function ofAlert(entity: Entity): EntityId | null {
  const name = typeof entity.name === 'string' ? entity.name : '';
  if (name === '') return null;
  const namespace = typeof entity['namespace'] === 'string' && entity['namespace'] !== '' ? entity['namespace'] : undefined;
  switch (entity.type) {
    case 'Account':
    case 'KubernetesUser':
      return ofLogin(name);
    case 'KubernetesServiceAccount':
      return { kind: 'serviceaccount', name, namespace: namespace ?? '' };
    case 'KubernetesWorkload':
    case 'KubernetesDeployment':
    case 'KubernetesDaemonSet':
    case 'KubernetesStatefulSet':
    case 'KubernetesJob':
    case 'KubernetesCronJob':
      return { kind: 'workload', name, namespace };
    case 'KubernetesPod':
      return { kind: 'pod', name, namespace };
    case 'KubernetesNamespace':
      return { kind: 'namespace', name };
    case 'KubernetesNode':
    case 'Host':
      return { kind: 'node', name };
    case 'ContainerImage':
      return { kind: 'image', name };
    case 'IP':
      return { kind: 'address', name };
    default:
      return null;
  }
}

/** The same thing as rules write it in the entities of alerts. */
export function mentions(id: EntityId): string {
  const parts = [`tostring(Entity.name) in (${[...new Set([id.name, login(id)])].map(literal).join(', ')})`, `tostring(Entity.type) in (${ENTITIES[id.kind].types.map(literal).join(', ')})`];
  if ((id.kind === 'pod' || id.kind === 'workload') && id.namespace !== undefined) parts.push(`tostring(Entity.namespace) == ${literal(id.namespace)}`);
  return parts.join(' and ');
}

export const alertsOf = (id: EntityId): string => `SecurityAlert
| summarize arg_max(TimeGenerated, *) by SystemAlertId
| mv-expand Entity = parse_json(Entities)
| where ${mentions(id)}
| summarize take_any(AlertName, AlertSeverity, DisplayName, StartTime, EndTime, Tactics, Techniques, AlertType, ExtendedProperties) by SystemAlertId
| extend Incident = tolong(parse_json(ExtendedProperties).IncidentNumber), Rank = case(AlertSeverity == "High", 3, AlertSeverity == "Medium", 2, AlertSeverity == "Low", 1, 0)
| sort by EndTime desc`;

/** Everything it did and everything that happened to it. */
export function eventsOf(id: EntityId): string {
  const { by, to } = ENTITIES[id.kind];
  const conditions = [by?.(id), to?.(id)].filter((c): c is string => c !== undefined);
  return `KubernetesAudit\n| where ${conditions.map((c) => (conditions.length > 1 ? `(${c})` : c)).join(' or ')}`;
}

export const entityLabel = (id: EntityId): string => (id.namespace === undefined || id.namespace === '' ? id.name : `${id.namespace}/${id.name}`);

/** The type whose icon a kind has. */
export const ICON_TYPES: Record<EntityKind, string> = { account: 'Account', serviceaccount: 'KubernetesServiceAccount', workload: 'KubernetesWorkload', pod: 'KubernetesPod', namespace: 'KubernetesNamespace', node: 'KubernetesNode', image: 'ContainerImage', address: 'IP' };
