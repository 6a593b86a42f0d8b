// How the answer to a query of a document can be shown.
export const VISUALS = ['table', 'bars', 'tiles', 'timebars', 'timechart', 'areachart', 'columnchart', 'barchart', 'piechart', 'scatterchart', 'anomalychart', 'heatmap', 'treemap', 'text'] as const;
export type VisualKind = (typeof VISUALS)[number];
export const VISUAL_NAMES: Record<VisualKind, string> = {
  table: 'Table',
  bars: 'Names with bars',
  tiles: 'Tiles',
  timebars: 'Bars over time',
  timechart: 'Lines over time',
  areachart: 'Areas over time',
  columnchart: 'Columns',
  barchart: 'Bars',
  piechart: 'Shares',
  scatterchart: 'Points',
  anomalychart: 'Lines with anomalies',
  heatmap: 'Heat map',
  treemap: 'Tree map',
  text: 'One value as text',
};
