// The parts of an incident's page, as its address names them.
export const INCIDENT_TABS = ['overview', 'investigate', 'alerts', 'entities', 'activity'] as const;
export type IncidentTab = (typeof INCIDENT_TABS)[number];
