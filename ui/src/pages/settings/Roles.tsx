// What each role may do.
import { Check, Minus } from 'lucide-react';
import { Fragment } from 'react';
import type { Role } from '../../api/types';
import { useSession } from '../../lib/session';

const ROLES: [Role, string][] = [
  ['Reader', 'Looks, asks, keeps things for itself'],
  ['Responder', 'Works on incidents'],
  ['Contributor', 'Changes what everybody works with'],
  ['Administrator', 'Manages people, tokens and the server'],
];

// From which role on.
const MAY: [string, [string, number][]][] = [
  ['Looking', [['Incidents, entities, matrices, workbooks, sources, rules', 0], ['Queries over all logs, exports', 0], ['Queries, views and workbooks for oneself', 0]]],
  ['Incidents', [['Assign, change status and severity, close with a classification', 1], ['Comments and tasks', 1], ['Bookmarks for everybody, incidents made of findings', 1]]],
  ['What everybody works with', [['Saved queries, hunting queries and workbooks for everybody', 2], ['Watchlists that rules read', 2], ['Indicators of threat intelligence', 2]]],
  ['The server', [['Users and their roles', 3], ['Tokens', 3], ['Settings', 3], ['The trail of people’s actions', 3], ['Merging files of the lake', 3]]],
];

export function Roles() {
  const { user } = useSession();
  return (
    <section className="card" style={{ overflow: 'auto' }} tabIndex={0} aria-label="Roles">
      <header>
        <h2 className="grow">Roles</h2>
        <span className="muted">yours: {user.role}</span>
      </header>
      <table className="table roles">
        <thead>
          <tr>
            <th>May</th>
            {ROLES.map(([role, about]) => (
              <th key={role} style={{ width: 150 }} aria-current={role === user.role ? 'true' : undefined}>
                {role}
                <div className="faint" style={{ fontWeight: 400, whiteSpace: 'normal' }}>
                  {about}
                </div>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {MAY.map(([group, lines]) => (
            <Fragment key={group}>
              <tr>
                <th colSpan={5} scope="colgroup" className="muted" style={{ paddingTop: 12 }}>
                  {group}
                </th>
              </tr>
              {lines.map(([what, from]) => (
                <tr key={what}>
                  <td>{what}</td>
                  {ROLES.map(([role], i) => (
                    <td key={role}>{i >= from ? <Check className="icon small" style={{ color: 'var(--ok)' }} aria-label="yes" /> : <Minus className="icon small faint" aria-label="no" />}</td>
                  ))}
                </tr>
              ))}
            </Fragment>
          ))}
        </tbody>
      </table>
    </section>
  );
}
