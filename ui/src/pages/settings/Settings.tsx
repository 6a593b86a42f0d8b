import { Link, Outlet } from '@tanstack/react-router';
import { useTitle } from '../../lib/hooks';
import { useMay } from '../../lib/session';

export function Settings() {
  useTitle('Settings');
  const admin = useMay('Administrator');
  return (
    <>
      <div className="page-head">
        <h1>Settings</h1>
      </div>
      <div className="page-scroll">
        <div className="settings">
          <nav aria-label="Settings">
            <Link to="/settings/account">Your account</Link>
            {admin && <Link to="/settings/users">Users</Link>}
            <Link to="/settings/roles">Roles</Link>
            {admin && <Link to="/settings/tokens">Tokens</Link>}
            <Link to="/settings/data">Data and cost</Link>
            {admin && <Link to="/settings/trail">Audit trail</Link>}
            <Link to="/settings/about">Health and version</Link>
          </nav>
          <div className="column" style={{ gap: 16 }}>
            <Outlet />
          </div>
        </div>
      </div>
    </>
  );
}
