import { Link } from '@tanstack/react-router';
import { Radio } from 'lucide-react';
import { CopyButton, Empty } from '../../components/ui';
import { useSession } from '../../lib/session';

/** What to do when no incident has ever been: send events in. */
export function FirstSteps() {
  const { user } = useSession();
  const origin = location.origin;
  const config = `apiVersion: v1
kind: Config
clusters:
- name: taffrail
  cluster:
    server: ${origin}/ingest/kubernetes-audit/CLUSTER
users:
- name: taffrail
  user:
    token: INGESTION_TOKEN
contexts:
- name: taffrail
  context: { cluster: taffrail, user: taffrail }
current-context: taffrail
`;
  return (
    <Empty icon={<Radio />} title="No incident yet">
      <p>
        Taffrail watches what a Kubernetes API server writes to its audit log. Point the server's audit webhook here with the file below (
        <code>--audit-webhook-config-file</code>), with your cluster's name for <code>CLUSTER</code>
        {user.role === 'Administrator' ? (
          <>
            {' '}
            and a token from <Link to="/settings/tokens">Settings, Tokens</Link>.
          </>
        ) : (
          ' and an ingestion token that an administrator makes for you.'
        )}
      </p>
      <pre className="block">{config}</pre>
      <div className="row">
        <CopyButton text={config} label="Copy the file" />
      </div>
      <p>Or send a log that you already have:</p>
      <pre className="block">{`curl -H "Authorization: Bearer INGESTION_TOKEN" --data-binary @audit.log \\\n  ${origin}/ingest/kubernetes-audit/CLUSTER`}</pre>
      <p>
        Events can be seen at once in <Link to="/logs" search={{ q: 'KubernetesAudit\n| sort by TimeGenerated desc\n| take 50' }}>Logs</Link>; what the <Link to="/rules">rules</Link> find appears here.
      </p>
    </Empty>
  );
}
