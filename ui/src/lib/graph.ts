// The graph of an investigation: entities and alerts, and what exploring added.
import type { Alert, Entity, IncidentDetail, Severity } from '../api/types';
import { entityKey, entityText } from './entity';
import { ofAlert, type EntityId } from './entities';

export interface GraphNode {
  id: string;
  kind: 'alert' | 'entity';
  /** Entity type, or `Alert` */
  type: string;
  label: string;
  severity?: Severity;
  entity?: EntityId;
  alert?: Alert;
  /** Came in by exploring */
  found?: boolean;
}

export interface GraphEdge {
  id: string;
  from: string;
  to: string;
  label?: string;
}

export interface Graph {
  nodes: GraphNode[];
  edges: GraphEdge[];
}

export const alertNode = (alert: Alert): string => `alert ${alert.id}`;
/** Two mentions of one thing are one node, however their types are written. */
export function entityNode(entity: Entity): string {
  const id = ofAlert(entity);
  return id === null ? `entity ${entityKey(entity)}` : idNode(id);
}
export const idNode = (id: EntityId): string => `${id.kind} ${id.namespace ?? ''}/${id.name}`;

/** Alerts with the entities that they name. */
export function incidentGraph(incident: IncidentDetail): Graph {
  const nodes = new Map<string, GraphNode>();
  const edges = new Map<string, GraphEdge>();
  for (const alert of incident.alerts) {
    const at = alertNode(alert);
    nodes.set(at, { id: at, kind: 'alert', type: 'Alert', label: alert.title, severity: alert.severity, alert });
    for (const entity of alert.entities) {
      // The cluster is the same for all: it would only tie everything to one point.
      if (entity.type === 'KubernetesCluster') continue;
      const to = entityNode(entity);
      if (!nodes.has(to)) nodes.set(to, { id: to, kind: 'entity', type: entity.type, label: entityText(entity), entity: ofAlert(entity) ?? undefined });
      edges.set(`${at}>${to}`, { id: `${at}>${to}`, from: at, to });
    }
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

export function merge(graph: Graph, more: Graph): Graph {
  const nodes = new Map(graph.nodes.map((n) => [n.id, n]));
  for (const node of more.nodes) if (!nodes.has(node.id)) nodes.set(node.id, node);
  const edges = new Map(graph.edges.map((e) => [e.id, e]));
  for (const edge of more.edges) if (!edges.has(edge.id) && nodes.has(edge.from) && nodes.has(edge.to)) edges.set(edge.id, edge);
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}
