import { Link } from '@tanstack/react-router';
import { Fragment, useState } from 'react';
import type { IncidentDetail } from '../../api/types';
import { EntityChip, EntityChips, SeverityMark } from '../../components/marks';
import { Time, Tip } from '../../components/ui';
import { entityText } from '../../lib/entity';
import { useFocus } from '../../lib/focus';
import { Markdown } from '../../lib/markdown';
import { story } from '../../lib/story';
import { absolute, utc } from '../../lib/time';
import { Similar } from './Similar';
import { Tasks } from './Tasks';

const PART = 60;

export function Overview({ incident }: { incident: IncidentDetail }) {
  const { shown: moments, moments: all } = useFocus(incident);
  const [shown, setShown] = useState(PART);
  const remedies = [...new Set(incident.alerts.flatMap((alert) => alert.remediation))];
  return (
    <div className="overview">
      <div className="column" style={{ gap: 16 }}>
        <section className="card">
          <header>
            <h2>What happened</h2>
          </header>
          <div className="body column">
            <Markdown text={story(incident)} />
            <details open={incident.alerts.length === 1}>
              <summary className="muted">{incident.rules.length === 0 ? 'What was written about it' : 'What the rule says about it'}</summary>
              <div style={{ paddingTop: 8 }}>
                <Markdown text={incident.description || incident.title} />
              </div>
            </details>
          </div>
        </section>
        <section className="card">
          <header>
            <h2>Timeline</h2>
            <span className="count">{moments.length === all.length ? all.length : `${moments.length} of ${all.length}`}</span>
          </header>
          <div className="body">
            <ol className="timeline">
              {moments.slice(0, shown).map((moment, i) => {
                const at = new Date(moment.at);
                const before = moments[i - 1];
                const day = absolute(at).slice(0, 10);
                return (
                  <Fragment key={i}>
                    {(before === undefined || absolute(before.at).slice(0, 10) !== day) && <li className="day">{day}</li>}
                    <li className="moment" data-kind={moment.kind} style={moment.kind === 'alert' ? ({ '--mark': `var(--${moment.alert.severity.toLowerCase()})` } as React.CSSProperties) : undefined}>
                      <Tip
                        text={
                          <>
                            {absolute(at)}
                            <br />
                            {utc(at)}
                          </>
                        }
                      >
                        <time dateTime={at.toISOString()}>{absolute(at).slice(11)}</time>
                      </Tip>
                      <span className="dot">
                        <i />
                      </span>
                      {moment.kind === 'alert' ? (
                        <div className="column" style={{ gap: 4 }}>
                          <div className="row wrap">
                            <SeverityMark severity={moment.alert.severity} />
                            <Link to="/incidents/$number" params={{ number: String(incident.number) }} search={{ tab: 'alerts', alert: moment.alert.id }}>
                              <b>{moment.alert.title}</b>
                            </Link>
                          </div>
                          <EntityChips entities={moment.alert.entities} max={6} />
                        </div>
                      ) : (
                        <span className="muted" style={{ overflowWrap: 'anywhere' }}>
                          {moment.summary}
                        </span>
                      )}
                    </li>
                  </Fragment>
                );
              })}
            </ol>
            {moments.length > shown && (
              <button type="button" className="button" onClick={() => setShown(shown + 200)}>
                {moments.length - shown} more
              </button>
            )}
          </div>
        </section>
      </div>
      <div className="side">
        <Tasks incident={incident} />
        <section className="card">
          <header>
            <h2>Entities</h2>
            <span className="count">{incident.entities.length}</span>
          </header>
          <div className="body column" style={{ gap: 10 }}>
            {group(incident.entities).map(([type, entities]) => (
              <div key={type} className="column" style={{ gap: 5 }}>
                <h3>{type}</h3>
                <div className="chips">
                  {entities.map((entity) => (
                    <EntityChip key={entityText(entity)} entity={entity} />
                  ))}
                </div>
              </div>
            ))}
            {incident.entities.length === 0 && <span className="muted">The rules named none.</span>}
          </div>
        </section>
        {remedies.length > 0 && (
          <section className="card">
            <header>
              <h2>What to do</h2>
            </header>
            <div className="body">
              <ol style={{ paddingLeft: 18 }} className="column">
                {remedies.map((remedy) => (
                  <li key={remedy}>
                    <Markdown text={remedy} />
                  </li>
                ))}
              </ol>
            </div>
          </section>
        )}
        <section className="card">
          <header>
            <h2>Similar incidents</h2>
          </header>
          <div className="body">
            <Similar incident={incident} />
          </div>
        </section>
        <section className="card">
          <header>
            <h2>Facts</h2>
          </header>
          <div className="body">
            <dl className="facts">
              <dt>Created</dt>
              <dd>
                <Time at={incident.createdAt} />
              </dd>
              <dt>Changed</dt>
              <dd>
                <Time at={incident.updatedAt} />
              </dd>
              <dt>Rules</dt>
              <dd className="column" style={{ gap: 3 }}>
                {incident.rules.length === 0 && <span className="muted">none: opened by a person</span>}
                {ruleNames(incident).map(([id, name]) => (
                  <Link key={id} to="/rules/$id" params={{ id }}>
                    {name}
                  </Link>
                ))}
              </dd>
              {incident.classificationComment && (
                <>
                  <dt>Closing note</dt>
                  <dd>
                    <Markdown text={incident.classificationComment} />
                  </dd>
                </>
              )}
            </dl>
          </div>
        </section>
      </div>
    </div>
  );
}

function group(entities: IncidentDetail['entities']): [string, IncidentDetail['entities']][] {
  const found = new Map<string, IncidentDetail['entities']>();
  for (const entity of entities) found.set(entity.type, [...(found.get(entity.type) ?? []), entity]);
  return [...found];
}

function ruleNames(incident: IncidentDetail): [string, string][] {
  const names = new Map(incident.alerts.map((alert) => [alert.rule, alert.ruleName]));
  return [...new Set([...incident.rules, ...names.keys()])].filter((id) => id !== '').map((id) => [id, names.get(id) ?? id]);
}
