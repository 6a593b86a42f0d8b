// The range and cluster of a page, at the same place on every page.
import { useQuery } from '@tanstack/react-query';
import { Check, Network, RefreshCw } from 'lucide-react';
import { kqlQuery, text } from '../api/kql';
import { queryClient } from '../api/queries';
import { useScope } from '../lib/scope';
import type { Range } from '../lib/time';
import { RangePicker } from './RangePicker';
import { Chevron, Menu, Tip } from './ui';

const CLUSTERS = kqlQuery('KubernetesAudit\n| summarize Events = count() by Cluster\n| where isnotempty(Cluster)\n| sort by Events desc\n| take 100', 'P30D');

export function ClusterPicker() {
  const { cluster, setCluster } = useScope();
  const { data } = useQuery({ ...CLUSTERS, staleTime: 120_000 });
  const names = [...new Set([...(data?.rows ?? []).map((row) => text(row[0])), ...(cluster === undefined ? [] : [cluster])])];
  return (
    <Menu
      align="end"
      trigger={
        <button type="button" className="button" aria-label={`Cluster: ${cluster ?? 'All clusters'}`}>
          <Network className="icon small" />
          <span className="ellipsis" style={{ maxWidth: 140 }}>
            {cluster ?? 'All clusters'}
          </span>
          <Chevron />
        </button>
      }
      caption="Cluster"
      items={[
        { key: '', label: 'All clusters', hint: cluster === undefined ? <Check className="icon small" /> : undefined, onSelect: () => setCluster(undefined) },
        ...names.map((name) => ({ key: name, label: name, hint: name === cluster ? <Check className="icon small" /> : undefined, onSelect: () => setCluster(name) })),
      ]}
    />
  );
}

export function ScopeBar({ fallback, reload = true, time = true }: { fallback?: Range; reload?: boolean; time?: boolean }) {
  const scope = useScope(fallback);
  return (
    <div className="scope row">
      <ClusterPicker />
      {time && <RangePicker range={scope.range} onChange={scope.setRange} />}
      {reload && (
        <Tip text="Ask again">
          <button type="button" className="button quiet square" aria-label="Ask again" onClick={() => void queryClient.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'session' && queryKey[0] !== 'schema' })}>
            <RefreshCw className="icon" />
          </button>
        </Tip>
      )}
    </div>
  );
}

/** The head of a page: what it is, what it counts, and its scope. */
export function PageHead({ title, count, children, fallback, time, scope = true }: { title: React.ReactNode; count?: React.ReactNode; children?: React.ReactNode; fallback?: Range; time?: boolean; scope?: boolean }) {
  return (
    <div className="page-head">
      <h1>{title}</h1>
      {count !== undefined && <span className="faint number">{count}</span>}
      {children}
      <span className="grow" />
      {scope && <ScopeBar fallback={fallback} time={time} />}
    </div>
  );
}
