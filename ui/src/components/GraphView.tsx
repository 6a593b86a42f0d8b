// Cytoscape, which arrives when the first graph is shown.
import type { Core, ElementDefinition } from 'cytoscape';
import { useEffect, useRef } from 'react';
import type { Graph, GraphNode } from '../lib/graph';
import { useTheme } from '../lib/theme';

const draw = (inside: string, color: string): string => `data:image/svg+xml;utf8,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24" fill="none" stroke="${color}" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${inside}</svg>`)}`;
const ICONS: [RegExp, string][] = [
  [/^Alert$/, '<path d="M12 4 21 20H3Z"/><path d="M12 10v4M12 17v.01"/>'],
  [/ServiceAccount/i, '<circle cx="10" cy="8" r="4"/><path d="M3 20c0-4 3-6 7-6"/><circle cx="17" cy="17" r="3"/><path d="M17 12.500v1.500M17 20v1.500M21.500 17H20M14 17h-1.500"/>'],
  [/account|user/i, '<circle cx="12" cy="8" r="4"/><path d="M4 21c0-4.500 3.600-7 8-7s8 2.500 8 7"/>'],
  [/^ip|address/i, '<circle cx="12" cy="12" r="9"/><path d="M3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18"/>'],
  [/node|host/i, '<rect x="3" y="4" width="18" height="7" rx="1.500"/><rect x="3" y="13" width="18" height="7" rx="1.500"/><path d="M7 7.500v.01M7 16.500v.01"/>'],
  [/namespace/i, '<path d="M12 3 21 8 12 13 3 8Z"/><path d="M3 12.500 12 17.500 21 12.500"/><path d="M3 17l9 5 9-5"/>'],
  [/image/i, '<rect x="3" y="4" width="18" height="16" rx="2"/><circle cx="9" cy="10" r="1.800"/><path d="M4 18l6-5 4 3 3-2.500 4 3.500"/>'],
  [/secret|role|binding/i, '<circle cx="8" cy="15" r="4"/><path d="M11 12 20 3M16 7l3 3"/>'],
  [/./, '<path d="M12 3 20 7.500v9L12 21 4 16.500v-9Z"/><path d="M4 7.500 12 12l8-4.500M12 12v9"/>'],
];
const icon = (type: string, color: string): string => draw(ICONS.find(([pattern]) => pattern.test(type))?.[1] ?? '', color);

interface Props {
  graph: Graph;
  selected: string | null;
  /** Drawn strongly; everything else steps back. Null: everything is. */
  focus: ReadonlySet<string> | null;
  onSelect: (id: string | null) => void;
  onOpen: (node: GraphNode) => void;
}

export function GraphView({ graph, selected, focus, onSelect, onOpen }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const core = useRef<Core | null>(null);
  const theme = useTheme();
  const latest = useRef({ graph, selected, focus, onSelect, onOpen });
  latest.current = { graph, selected, focus, onSelect, onOpen };

  useEffect(() => {
    let gone = false;
    void import('cytoscape').then(({ default: cytoscape }) => {
      if (gone || host.current === null) return;
      const style = getComputedStyle(document.documentElement);
      const get = (name: string): string => style.getPropertyValue(name).trim();
      const made = cytoscape({
        container: host.current,
        minZoom: 0.25,
        maxZoom: 2.5,
        style: [
          {
            selector: 'node',
            style: {
              width: 36,
              height: 36,
              'background-color': get('--surface-2'),
              'border-width': 1.5,
              'border-color': get('--line-strong'),
              'background-image': (node: { data: (name: string) => string }) => icon(node.data('type'), node.data('kind') === 'alert' ? get(`--${node.data('severity').toLowerCase()}`) : get('--accent')),
              'background-width': '56%',
              'background-height': '56%',
              label: 'data(label)',
              color: get('--text'),
              'font-family': get('--font'),
              'font-size': 11.5,
              'text-valign': 'bottom',
              'text-margin-y': 5,
              'text-wrap': 'ellipsis',
              'text-max-width': '150px',
              'text-background-color': get('--surface'),
              'text-background-opacity': 0.82,
              'text-background-padding': '2px',
            },
          },
          { selector: 'node[kind = "alert"]', style: { shape: 'round-rectangle', 'border-color': (node: { data: (name: string) => string }) => get(`--${node.data('severity').toLowerCase()}`) } },
          { selector: 'node[?found]', style: { 'border-style': 'dashed' } },
          { selector: 'edge', style: { width: 1.25, 'line-color': get('--line-strong'), 'curve-style': 'bezier', 'target-arrow-shape': 'none', label: 'data(label)', 'font-size': 9, color: get('--muted'), 'text-rotation': 'autorotate', 'text-background-color': get('--surface'), 'text-background-opacity': 0.9, 'text-background-padding': '1px' } },
          { selector: '.chosen', style: { 'border-color': get('--accent'), 'border-width': 3.5 } },
          { selector: '.away', style: { opacity: 0.2 } },
        ] as never,
      });
      core.current = made;
      made.on('tap', (event) => latest.current.onSelect(event.target === made ? null : event.target.isNode() ? String(event.target.id()) : null));
      made.on('dbltap', 'node', (event) => {
        const node = latest.current.graph.nodes.find((n) => n.id === event.target.id());
        if (node) latest.current.onOpen(node);
      });
      sync(made, latest.current.graph);
      mark(made, latest.current.selected, latest.current.focus);
      host.current.dataset['ready'] = 'true';
    });
    return () => {
      gone = true;
      core.current?.destroy();
      core.current = null;
    };
    // Colours are read when it is made.
  }, [theme]);
  useEffect(() => {
    if (core.current) sync(core.current, graph);
  }, [graph]);
  useEffect(() => {
    if (core.current) mark(core.current, selected, focus);
  }, [selected, focus, graph]);

  return (
    <div className="graph">
      <div ref={host} className="graph-host" data-testid="graph" role="img" aria-label={`Graph of ${graph.nodes.length} alerts and entities; the list beside it says the same`} />
      <div className="graph-tools">
        <button type="button" className="button small" onClick={() => core.current?.fit(undefined, 40)}>
          Fit
        </button>
        <button type="button" className="button small" onClick={() => core.current && arrange(core.current)}>
          Arrange
        </button>
      </div>
    </div>
  );
}

function arrange(core: Core): void {
  // As wide as the drawing is, and larger when there is much to place: names stay readable.
  const room = Math.max(1, Math.sqrt(core.nodes().length / 16));
  core.layout({ name: 'cose', animate: false, randomize: false, fit: true, padding: 40, boundingBox: { x1: 0, y1: 0, w: core.width() * room, h: core.height() * room }, nodeRepulsion: () => 9000, idealEdgeLength: () => 70, nodeOverlap: 30, gravity: 0.6, numIter: 1500, nodeDimensionsIncludeLabels: true } as never).run();
  closer(core);
}

/** A few nodes need no magnifying glass, and no telescope. */
function closer(core: Core): void {
  core.fit(undefined, 44);
  if (core.zoom() > 1.25) {
    core.zoom(1.25);
    core.center();
  }
}

/** Puts what is new into the drawing, beside what it hangs on; what stands stays where it is. */
function sync(core: Core, graph: Graph): void {
  const first = core.nodes().length === 0;
  const added: ElementDefinition[] = [];
  const fresh = graph.nodes.filter((node) => core.getElementById(node.id).empty());
  fresh.forEach((node, i) => {
    const tie = graph.edges.find((e) => e.to === node.id || e.from === node.id);
    const beside = tie === undefined ? null : core.getElementById(tie.to === node.id ? tie.from : tie.to);
    const angle = (2 * Math.PI * i) / Math.max(1, fresh.length);
    const base = beside === null || beside.empty() ? { x: 0, y: 0 } : (beside as unknown as { position: () => { x: number; y: number } }).position();
    const far = first ? 220 : 120;
    added.push({ group: 'nodes', data: { id: node.id, label: node.label, kind: node.kind, type: node.type, severity: node.severity ?? 'Informational', found: node.found === true }, position: { x: base.x + far * Math.cos(angle), y: base.y + far * Math.sin(angle) } });
  });
  core.add(added);
  core.add(graph.edges.filter((e) => core.getElementById(e.id).empty()).map((e) => ({ group: 'edges' as const, data: { id: e.id, source: e.from, target: e.to, label: e.label ?? '' } })));
  if (first) arrange(core);
  else if (fresh.length > 0) core.animate({ fit: { eles: core.elements(), padding: 40 }, duration: matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 250 });
}

function mark(core: Core, selected: string | null, focus: ReadonlySet<string> | null): void {
  core.batch(() => {
    core.elements().removeClass('chosen away');
    if (selected !== null) core.getElementById(selected).addClass('chosen');
    if (focus !== null) {
      core.nodes().forEach((node) => {
        if (!focus.has(node.id())) node.addClass('away');
      });
      core.edges().forEach((edge) => {
        if (!focus.has(edge.source().id()) || !focus.has(edge.target().id())) edge.addClass('away');
      });
    }
  });
}
