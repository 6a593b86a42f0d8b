import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Maximize2, X } from 'lucide-react';
import { incidentQuery } from '../../api/queries';
import type { Incident } from '../../api/types';
import { EntityChips, SeverityMark, Technique } from '../../components/marks';
import { ErrorNotice, Skeleton, Time } from '../../components/ui';
import { tacticName } from '../../lib/attack';
import { useNow } from '../../lib/hooks';
import { Markdown } from '../../lib/markdown';
import { CommentBox, Triage, openFor, verdictLabel } from './actions';

/** The incident beside the queue: most questions are answered without leaving it. */
export function Pane({ number, row, commenting, onCommented, onClose }: { number: number; row?: Incident; commenting: boolean; onCommented: () => void; onClose: () => void }) {
  const { data, error, refetch } = useQuery(incidentQuery(number));
  const now = useNow();
  const incident = data ?? row;
  return (
    <aside className="pane" aria-label={`Incident ${number}`}>
      <header>
        <div className="row spread">
          <span className="row">
            {incident && <SeverityMark severity={incident.severity} badge />}
            <span className="muted number">#{number}</span>
          </span>
          <span className="row" style={{ gap: 4 }}>
            <Link to="/incidents/$number" params={{ number: String(number) }} className="button small">
              <Maximize2 className="icon small" /> Open
            </Link>
            <button type="button" className="button quiet small square" aria-label="Close the pane" onClick={onClose}>
              <X className="icon" />
            </button>
          </span>
        </div>
        {incident && (
          <>
            <h2>{incident.title}</h2>
            <div className="row wrap" style={{ gap: 6 }}>
              <Triage incident={incident} compact />
            </div>
          </>
        )}
      </header>
      {error && (
        <section>
          <ErrorNotice error={error} retry={() => void refetch()} />
        </section>
      )}
      {!incident && !error && <Skeleton />}
      {incident && (
        <>
          {commenting && (
            <section>
              <h3>Comment</h3>
              <CommentBox key={number} number={number} autoFocus onDone={onCommented} />
            </section>
          )}
          <section>
            <Markdown text={incident.description} />
            <dl className="facts">
              {incident.classification !== null && (
                <>
                  <dt>Closed as</dt>
                  <dd>{verdictLabel(incident.classification, incident.classificationReason)}</dd>
                </>
              )}
              <dt>First activity</dt>
              <dd>
                <Time at={incident.firstActivity} />
              </dd>
              <dt>Last activity</dt>
              <dd>
                <Time at={incident.lastActivity} />
              </dd>
              <dt>{incident.closedAt === null ? 'Open for' : 'Was open for'}</dt>
              <dd>{openFor(incident, now)}</dd>
              {incident.cluster && (
                <>
                  <dt>Cluster</dt>
                  <dd>{incident.cluster}</dd>
                </>
              )}
            </dl>
          </section>
          <section>
            <h3>Entities</h3>
            <EntityChips entities={incident.entities} max={14} />
          </section>
          {incident.techniques.length > 0 && (
            <section>
              <h3>ATT&amp;CK</h3>
              <div className="muted">{incident.tactics.map(tacticName).join(', ')}</div>
              <div className="chips">
                {incident.techniques.map((id) => (
                  <Technique key={id} id={id} />
                ))}
              </div>
            </section>
          )}
          {data && (
            <section>
              <h3>
                Alerts <span className="count">{data.alerts.length}</span>
              </h3>
              {data.alerts.slice(0, 8).map((alert) => (
                <div key={alert.id} className="row spread" style={{ alignItems: 'flex-start' }}>
                  <span className="row" style={{ alignItems: 'flex-start' }}>
                    <SeverityMark severity={alert.severity} />
                    <Link to="/incidents/$number" params={{ number: String(number) }} search={{ tab: 'alerts', alert: alert.id }}>
                      {alert.title}
                    </Link>
                  </span>
                  <Time at={alert.lastActivity} className="faint" />
                </div>
              ))}
              {data.alerts.length > 8 && <span className="faint">and {data.alerts.length - 8} more</span>}
            </section>
          )}
          {data && data.comments.length > 0 && (
            <section>
              <h3>Last comment</h3>
              {data.comments.slice(-1).map((comment) => (
                <div key={comment.id} className="column" style={{ gap: 4 }}>
                  <span className="faint">
                    {comment.author}, <Time at={comment.createdAt} />
                  </span>
                  <Markdown text={comment.message} />
                </div>
              ))}
            </section>
          )}
        </>
      )}
    </aside>
  );
}
