// Both matrices: what the rules cover, what the alerts saw, which logs would show the rest.
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { BookOpenText, Database, X, Zap } from 'lucide-react';
import { useMemo } from 'react';
import { number, objects, text, useKql } from '../../api/kql';
import { libraryQuery } from '../../api/library';
import { healthQuery, rulesQuery } from '../../api/queries';
import { SeverityMark } from '../../components/marks';
import { PageHead } from '../../components/ScopeBar';
import { ErrorNotice, Skeleton } from '../../components/ui';
import { tacticName, techniqueName } from '../../lib/attack';
import { arrives, belongs, coverage, type Known } from '../../lib/coverage';
import { useKeys, useTitle } from '../../lib/hooks';
import { readHunt } from '../../lib/hunting';
import { literal } from '../../lib/kql';
import { ATTACK, LOGS, TACTICS, THREAT_MATRIX } from '../../lib/matrices';

const ALERTS = `SecurityAlert
| summarize arg_max(TimeGenerated, *) by SystemAlertId
| extend Detailed = set_union(parse_json(SubTechniques), parse_json(Techniques))
| mv-expand Technique = Detailed to typeof(string)
| summarize Alerts = dcount(SystemAlertId), High = dcountif(SystemAlertId, AlertSeverity == "High") by Technique, Rule = AlertType`;

type Color = 'rules' | 'alerts' | 'data';

const step = (count: number, steps: number[]): string | undefined => {
  const at = steps.filter((s) => count >= s).length;
  return at === 0 ? undefined : String(at);
};

export function Attack() {
  useTitle('ATT&CK');
  const search = useSearch({ from: '/app/attack' });
  const navigate = useNavigate({ from: '/attack' });
  const matrix = search.matrix ?? 'attack';
  const color = search.color ?? 'rules';
  const set = (change: Partial<typeof search>): void => void navigate({ search: { ...search, ...change }, replace: true });
  const { data: rules, error, isPending, refetch } = useQuery(rulesQuery);
  const { data: health } = useQuery(healthQuery);
  const { data: answer } = useKql(ALERTS);
  const filled = useMemo(() => new Set((health?.tables ?? []).filter((t) => t.rows > 0).map((t) => t.name)), [health]);

  const known = useMemo(() => {
    const seen = objects(answer).map((row) => ({ technique: text(row['Technique']), rule: text(row['Rule']), alerts: number(row['Alerts']), high: number(row['High']) }));
    return coverage(matrix === 'attack' ? ATTACK : THREAT_MATRIX, matrix, (rules ?? []).filter((r) => r.enabled), seen, filled);
  }, [matrix, rules, answer, filled]);
  const columns = TACTICS.map((tactic) => ({ tactic, techniques: known.filter((t) => t.tactics.includes(tactic)).sort((a, b) => a.id.localeCompare(b.id)) })).filter((c) => c.techniques.length > 0);
  const chosen = known.find((t) => t.id === search.technique) ?? known.find((t) => search.technique !== undefined && belongs(t.id, search.technique));
  useKeys({ Escape: () => set({ technique: undefined }) });

  const covered = known.filter((t) => t.rules.length > 0).length;
  const noticed = known.filter((t) => t.alerts > 0).length;
  return (
    <>
      <PageHead title={matrix === 'attack' ? 'ATT&CK' : 'Threat matrix'} count={rules === undefined ? undefined : `${covered} of ${known.length} techniques covered, ${noticed} seen`}>
        <div className="segmented" role="group" aria-label="Matrix">
          <button type="button" aria-pressed={matrix === 'attack'} onClick={() => set({ matrix: undefined, technique: undefined })}>
            ATT&amp;CK for containers
          </button>
          <button type="button" aria-pressed={matrix === 'kubernetes'} onClick={() => set({ matrix: 'kubernetes', technique: undefined })}>
            Threat matrix for Kubernetes
          </button>
        </div>
      </PageHead>
      <div className="toolbar" style={{ padding: '0 20px 10px', minHeight: 0 }}>
        <div className="segmented" role="group" aria-label="Coloured by">
          {(
            [
              ['rules', 'Active rules', BookOpenText],
              ['alerts', 'Alerts seen', Zap],
              ['data', 'Data flowing', Database],
            ] as const
          ).map(([id, label, Icon]) => (
            <button key={id} type="button" aria-pressed={color === id} onClick={() => set({ color: id === 'rules' ? undefined : id })}>
              <Icon className="icon small" /> {label}
            </button>
          ))}
        </div>
        <Scale color={color} />
      </div>
      {error && (
        <div style={{ padding: '0 20px' }}>
          <ErrorNotice error={error} retry={() => void refetch()} />
        </div>
      )}
      {isPending && <Skeleton lines={10} />}
      {rules !== undefined && (
        <div className="with-side" data-side={chosen !== undefined}>
          <div className="main">
            <div className="matrix-wrap" tabIndex={0} role="region" aria-label="Matrix">
              <div className="matrix">
                {columns.map(({ tactic, techniques }) => (
                  <section key={tactic} className="tactic" aria-label={tacticName(tactic)}>
                    <h2>
                      <span>{tacticName(tactic)}</span>
                      <span className="faint">
                        {techniques.filter((t) => t.rules.length > 0).length} of {techniques.length}
                      </span>
                    </h2>
                    {techniques.map((technique) => (
                      <Cell key={technique.id} technique={technique} color={color} chosen={technique.id === chosen?.id} onChoose={() => set({ technique: technique.id === chosen?.id ? undefined : technique.id })} />
                    ))}
                  </section>
                ))}
              </div>
            </div>
          </div>
          {chosen && <Side technique={chosen} filled={filled} onClose={() => set({ technique: undefined })} />}
        </div>
      )}
    </>
  );
}

function Scale({ color }: { color: Color }) {
  const mix = (token: string, share: number): React.CSSProperties => ({ background: share === 0 ? 'var(--surface)' : `color-mix(in srgb, var(${token}) ${share}%, var(--surface))` });
  if (color === 'data') {
    return (
      <span className="scale">
        <i style={mix('--chart-1', 22)} /> a log that shows it arrives <i style={{ ...mix('', 0), borderStyle: 'dashed', marginLeft: 8 }} /> none does yet
      </span>
    );
  }
  const token = color === 'rules' ? '--chart-1' : '--high';
  return (
    <span className="scale">
      none <i style={{ ...mix(token, 0), borderStyle: 'dashed' }} /> <i style={mix(token, 12)} /> <i style={mix(token, 22)} /> <i style={mix(token, 34)} /> {color === 'rules' ? '3 rules or more' : '10 alerts or more'}
    </span>
  );
}

function Cell({ technique, color, chosen, onChoose }: { technique: Known; color: Color; chosen: boolean; onChoose: () => void }) {
  const level = color === 'rules' ? step(technique.rules.length, [1, 2, 3]) : color === 'data' ? (technique.flowing ? '2' : undefined) : undefined;
  const heat = color === 'alerts' ? step(technique.alerts, [1, 4, 10]) : undefined;
  return (
    <button type="button" className={`technique ${technique.id.includes('.') ? 'sub' : ''} ${level === undefined && heat === undefined ? 'dim' : ''}`} data-level={level} data-heat={heat} aria-pressed={chosen} onClick={onChoose}>
      <span>{technique.name}</span>
      <span className="marks">
        <span className="id">{technique.id}</span>
        {technique.rules.length > 0 && (
          <span>
            <BookOpenText aria-hidden="true" />
            {technique.rules.length}
            <span className="sr"> rules</span>
          </span>
        )}
        {technique.alerts > 0 && (
          <span>
            <Zap aria-hidden="true" />
            {technique.alerts}
            <span className="sr"> alerts</span>
          </span>
        )}
      </span>
    </button>
  );
}

function Side({ technique, filled, onClose }: { technique: Known; filled: ReadonlySet<string>; onClose: () => void }) {
  const rules = technique.rules.map((rule) => literal(rule.id)).join(', ');
  const { data: library } = useQuery(libraryQuery('hunting'));
  const ids = technique.attack ?? [technique.id];
  const hunts = (library ?? []).map((item) => readHunt(item.id, item.name, item.description, item.body)).filter((hunt) => hunt.techniques.some((t) => ids.some((id) => belongs(id, t))));
  return (
    <aside className="pane" aria-label={technique.name}>
      <header>
        <div className="row spread">
          <span className="mono muted">{technique.id}</span>
          <button type="button" className="button quiet small square" aria-label="Close" onClick={onClose}>
            <X className="icon" />
          </button>
        </div>
        <h2>{technique.name}</h2>
        <div className="muted">{technique.tactics.map(tacticName).join(', ')}</div>
        {technique.attack !== undefined && technique.attack.length > 0 && <div className="muted">ATT&amp;CK: {technique.attack.map((id) => `${id} ${techniqueName(id) ?? ''}`.trim()).join(', ')}</div>}
      </header>
      <section>
        <h3>
          Active rules <span className="count">{technique.rules.length}</span>
        </h3>
        {technique.rules.length === 0 && <p className="muted">No rule looks for it. {technique.flowing ? 'Logs that would show it arrive: hunt for it, or write a rule.' : 'None of the logs that would show it arrives.'}</p>}
        {technique.rules.map((rule) => (
          <div key={rule.id} className="row">
            <span style={{ width: 74, flex: 'none' }}>
              <SeverityMark severity={rule.severity} />
            </span>
            <Link to="/rules/$id" params={{ id: rule.id }}>
              {rule.name}
            </Link>
          </div>
        ))}
      </section>
      <section>
        <h3>
          Alerts in this range <span className="count">{technique.alerts}</span>
        </h3>
        {technique.alerts === 0 ? (
          <p className="muted">None.</p>
        ) : (
          <>
            {technique.high > 0 && <p>{technique.high} of them of high severity.</p>}
            <div className="row wrap">
              {technique.id.startsWith('T') && (
                <Link to="/incidents" search={{ technique: [technique.id] }} className="button small">
                  Its incidents
                </Link>
              )}
              <Link to="/logs" search={{ q: `SecurityAlert\n| where AlertType in (${rules})\n| project TimeGenerated, AlertSeverity, DisplayName, CompromisedEntity, AlertType\n| sort by TimeGenerated desc` }} className="button small">
                The alerts in Logs
              </Link>
            </div>
          </>
        )}
      </section>
      <section>
        <h3>
          Hunting queries <span className="count">{hunts.length}</span>
        </h3>
        {hunts.length === 0 && <p className="muted">None looks for it.</p>}
        {hunts.slice(0, 12).map((hunt) => (
          <Link key={hunt.id} to="/hunting" search={{ id: hunt.id }}>
            {hunt.name}
          </Link>
        ))}
      </section>
      <section>
        <h3>Logs that show it</h3>
        {technique.sources.length === 0 && <p className="muted">No log shows it reliably.</p>}
        {technique.sources.map((source) => {
          const here = arrives(source, filled);
          return (
            <span key={source} className="row">
              <i className="state" data-state={here ? 'ok' : undefined} />
              {LOGS[source].name}
              <span className="faint">{here ? 'arrives' : 'does not arrive'}</span>
            </span>
          );
        })}
        <Link to="/sources" search={{}} className="button small" style={{ alignSelf: 'flex-start' }}>
          Sources
        </Link>
      </section>
    </aside>
  );
}
