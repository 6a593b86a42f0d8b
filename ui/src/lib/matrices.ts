// The two matrices: which techniques there are, under which tactics, and what kind of log shows them.
//
// ATT&CK Enterprise 18.1, platform Containers: https://attack.mitre.org/matrices/enterprise/containers/
// Threat matrix for Kubernetes, third version: https://microsoft.github.io/Threat-Matrix-for-Kubernetes/

/** A kind of log. */
export type Shown = 'audit' | 'inventory' | 'runtime' | 'registry' | 'cicd' | 'cloud' | 'identity' | 'ingress' | 'node' | 'flow' | 'metrics';

export interface Technique {
  id: string;
  name: string;
  /** As rules name them: without blanks */
  tactics: string[];
  /** ATT&CK techniques that a technique of the threat matrix corresponds to */
  attack?: string[];
  /** Logs that show it; none: no log does reliably */
  sources: Shown[];
}

/** In the order in which attacks go. */
export const TACTICS = ['InitialAccess', 'Execution', 'Persistence', 'PrivilegeEscalation', 'DefenseEvasion', 'CredentialAccess', 'Discovery', 'LateralMovement', 'Collection', 'CommandAndControl', 'Exfiltration', 'Impact'];

/** What a kind of log is, and tables that hold it. */
export const LOGS: Record<Shown, { name: string; tables: string[] }> = {
  audit: { name: 'API audit', tables: ['KubernetesAudit'] },
  inventory: { name: 'Objects of the cluster', tables: ['KubernetesPodInventory', 'KubePodInventory', 'KubeEvents', 'KubernetesObjects'] },
  runtime: { name: 'Node sensor', tables: ['RuntimeAlert', 'PrismaCloudCompute_CL', 'OperationalAlert'] },
  registry: { name: 'Container registry', tables: ['ContainerRegistryRepositoryEvents', 'ContainerRegistryLoginEvents', 'ContainerRegistry'] },
  cicd: { name: 'Source control and builds', tables: ['GitHubAuditLog', 'GitHubAudit', 'GitLabAudit', 'AzureDevOpsAuditing'] },
  cloud: { name: 'Cloud management', tables: ['AzureActivity', 'AWSCloudTrail', 'GCPAuditLogs'] },
  identity: { name: 'Sign-ins and directory', tables: ['SigninLogs', 'AuditLogs', 'AADNonInteractiveUserSignInLogs'] },
  ingress: { name: 'Ingress access', tables: ['IngressAccess'] },
  node: { name: 'Operating system of nodes', tables: ['LinuxAudit', 'LinuxAuditLog', 'KubeletLogs', 'Syslog'] },
  flow: { name: 'Network flows', tables: ['NetworkFlow', 'DnsQuery'] },
  metrics: { name: 'Metrics', tables: ['InsightsMetrics', 'Metrics'] },
};

export const ATTACK: Technique[] = [
  { id: 'T1036', name: 'Masquerading', tactics: ['DefenseEvasion'], sources: ['audit', 'inventory', 'runtime'] },
  { id: 'T1036.005', name: 'Match Legitimate Resource Name or Location', tactics: ['DefenseEvasion'], sources: ['audit', 'inventory'] },
  { id: 'T1036.010', name: 'Masquerade Account Name', tactics: ['DefenseEvasion'], sources: ['audit'] },
  { id: 'T1046', name: 'Network Service Discovery', tactics: ['Discovery'], sources: ['flow', 'runtime'] },
  { id: 'T1053', name: 'Scheduled Task/Job', tactics: ['Execution', 'Persistence', 'PrivilegeEscalation'], sources: ['audit', 'node'] },
  { id: 'T1053.007', name: 'Container Orchestration Job', tactics: ['Execution', 'Persistence', 'PrivilegeEscalation'], sources: ['audit'] },
  { id: 'T1059.013', name: 'Container CLI/API', tactics: ['Execution'], sources: ['audit', 'runtime'] },
  { id: 'T1068', name: 'Exploitation for Privilege Escalation', tactics: ['PrivilegeEscalation'], sources: ['runtime'] },
  { id: 'T1069', name: 'Permission Groups Discovery', tactics: ['Discovery'], sources: ['audit'] },
  { id: 'T1070', name: 'Indicator Removal', tactics: ['DefenseEvasion'], sources: ['audit', 'runtime'] },
  { id: 'T1078', name: 'Valid Accounts', tactics: ['DefenseEvasion', 'Persistence', 'PrivilegeEscalation', 'InitialAccess'], sources: ['audit', 'identity', 'cloud'] },
  { id: 'T1078.001', name: 'Default Accounts', tactics: ['DefenseEvasion', 'Persistence', 'PrivilegeEscalation', 'InitialAccess'], sources: ['audit'] },
  { id: 'T1078.003', name: 'Local Accounts', tactics: ['DefenseEvasion', 'Persistence', 'PrivilegeEscalation', 'InitialAccess'], sources: ['audit', 'node'] },
  { id: 'T1098', name: 'Account Manipulation', tactics: ['Persistence', 'PrivilegeEscalation'], sources: ['audit', 'cloud', 'cicd'] },
  { id: 'T1098.006', name: 'Additional Container Cluster Roles', tactics: ['Persistence', 'PrivilegeEscalation'], sources: ['audit', 'cloud'] },
  { id: 'T1110', name: 'Brute Force', tactics: ['CredentialAccess'], sources: ['audit', 'registry', 'node', 'ingress'] },
  { id: 'T1110.001', name: 'Password Guessing', tactics: ['CredentialAccess'], sources: ['registry', 'node', 'ingress'] },
  { id: 'T1110.003', name: 'Password Spraying', tactics: ['CredentialAccess'], sources: ['registry', 'identity', 'ingress'] },
  { id: 'T1110.004', name: 'Credential Stuffing', tactics: ['CredentialAccess'], sources: ['registry', 'identity', 'ingress'] },
  { id: 'T1133', name: 'External Remote Services', tactics: ['Persistence', 'InitialAccess'], sources: ['audit', 'inventory', 'ingress'] },
  { id: 'T1136', name: 'Create Account', tactics: ['Persistence'], sources: ['audit', 'cicd', 'node'] },
  { id: 'T1136.001', name: 'Local Account', tactics: ['Persistence'], sources: ['audit', 'node', 'runtime'] },
  { id: 'T1190', name: 'Exploit Public-Facing Application', tactics: ['InitialAccess'], sources: ['ingress', 'runtime'] },
  { id: 'T1204', name: 'User Execution', tactics: ['Execution'], sources: ['registry', 'audit'] },
  { id: 'T1204.003', name: 'Malicious Image', tactics: ['Execution'], sources: ['registry', 'audit', 'inventory'] },
  { id: 'T1485', name: 'Data Destruction', tactics: ['Impact'], sources: ['audit', 'cloud', 'registry'] },
  { id: 'T1490', name: 'Inhibit System Recovery', tactics: ['Impact'], sources: ['audit', 'cloud'] },
  { id: 'T1496', name: 'Resource Hijacking', tactics: ['Impact'], sources: ['runtime', 'metrics', 'inventory', 'flow'] },
  { id: 'T1496.001', name: 'Compute Hijacking', tactics: ['Impact'], sources: ['runtime', 'metrics', 'inventory'] },
  { id: 'T1496.002', name: 'Bandwidth Hijacking', tactics: ['Impact'], sources: ['flow', 'runtime'] },
  { id: 'T1498', name: 'Network Denial of Service', tactics: ['Impact'], sources: ['flow', 'ingress'] },
  { id: 'T1499', name: 'Endpoint Denial of Service', tactics: ['Impact'], sources: ['audit', 'ingress', 'metrics'] },
  { id: 'T1525', name: 'Implant Internal Image', tactics: ['Persistence'], sources: ['registry', 'cicd'] },
  { id: 'T1528', name: 'Steal Application Access Token', tactics: ['CredentialAccess'], sources: ['audit', 'runtime'] },
  { id: 'T1543', name: 'Create or Modify System Process', tactics: ['Persistence', 'PrivilegeEscalation'], sources: ['audit', 'node', 'runtime'] },
  { id: 'T1543.005', name: 'Container Service', tactics: ['Persistence', 'PrivilegeEscalation'], sources: ['audit', 'node'] },
  { id: 'T1550', name: 'Use Alternate Authentication Material', tactics: ['DefenseEvasion', 'LateralMovement'], sources: ['audit', 'cloud'] },
  { id: 'T1550.001', name: 'Application Access Token', tactics: ['DefenseEvasion', 'LateralMovement'], sources: ['audit', 'cloud'] },
  { id: 'T1552', name: 'Unsecured Credentials', tactics: ['CredentialAccess'], sources: ['audit', 'runtime', 'cicd'] },
  { id: 'T1552.001', name: 'Credentials In Files', tactics: ['CredentialAccess'], sources: ['runtime', 'audit', 'cicd'] },
  { id: 'T1552.007', name: 'Container API', tactics: ['CredentialAccess'], sources: ['audit', 'runtime', 'flow'] },
  { id: 'T1562', name: 'Impair Defenses', tactics: ['DefenseEvasion'], sources: ['audit', 'cloud', 'cicd'] },
  { id: 'T1562.001', name: 'Disable or Modify Tools', tactics: ['DefenseEvasion'], sources: ['audit', 'runtime', 'cicd'] },
  { id: 'T1609', name: 'Container Administration Command', tactics: ['Execution'], sources: ['audit', 'runtime'] },
  { id: 'T1610', name: 'Deploy Container', tactics: ['DefenseEvasion', 'Execution'], sources: ['audit', 'inventory'] },
  { id: 'T1611', name: 'Escape to Host', tactics: ['PrivilegeEscalation'], sources: ['audit', 'inventory', 'runtime'] },
  { id: 'T1612', name: 'Build Image on Host', tactics: ['DefenseEvasion'], sources: ['runtime', 'node'] },
  { id: 'T1613', name: 'Container and Resource Discovery', tactics: ['Discovery'], sources: ['audit', 'flow', 'runtime'] },
];

/** Techniques outside the platform Containers that rules for clusters look for: shown when a rule does. */
export const BEYOND: Technique[] = [
  { id: 'T1021', name: 'Remote Services', tactics: ['LateralMovement'], sources: ['audit', 'node'] },
  { id: 'T1021.004', name: 'SSH', tactics: ['LateralMovement'], sources: ['audit', 'node'] },
  { id: 'T1059', name: 'Command and Scripting Interpreter', tactics: ['Execution'], sources: ['audit', 'runtime'] },
  { id: 'T1059.004', name: 'Unix Shell', tactics: ['Execution'], sources: ['audit', 'runtime'] },
  { id: 'T1068', name: 'Exploitation for Privilege Escalation', tactics: ['PrivilegeEscalation'], sources: ['runtime'] },
  { id: 'T1078.004', name: 'Cloud Accounts', tactics: ['DefenseEvasion', 'Persistence', 'PrivilegeEscalation', 'InitialAccess'], sources: ['cloud', 'identity'] },
  { id: 'T1087', name: 'Account Discovery', tactics: ['Discovery'], sources: ['audit'] },
  { id: 'T1090', name: 'Proxy', tactics: ['CommandAndControl'], sources: ['flow', 'audit'] },
  { id: 'T1134', name: 'Access Token Manipulation', tactics: ['DefenseEvasion', 'PrivilegeEscalation'], sources: ['audit'] },
  { id: 'T1195', name: 'Supply Chain Compromise', tactics: ['InitialAccess'], sources: ['registry', 'cicd'] },
  { id: 'T1489', name: 'Service Stop', tactics: ['Impact'], sources: ['audit'] },
  { id: 'T1530', name: 'Data from Cloud Storage', tactics: ['Collection'], sources: ['cloud'] },
  { id: 'T1546', name: 'Event Triggered Execution', tactics: ['Persistence', 'PrivilegeEscalation'], sources: ['audit'] },
  { id: 'T1548', name: 'Abuse Elevation Control Mechanism', tactics: ['PrivilegeEscalation', 'DefenseEvasion'], sources: ['audit'] },
  { id: 'T1552.005', name: 'Cloud Instance Metadata API', tactics: ['CredentialAccess'], sources: ['flow', 'runtime'] },
  { id: 'T1555', name: 'Credentials from Password Stores', tactics: ['CredentialAccess'], sources: ['audit'] },
  { id: 'T1556', name: 'Modify Authentication Process', tactics: ['CredentialAccess', 'DefenseEvasion', 'Persistence'], sources: ['audit'] },
  { id: 'T1557', name: 'Adversary-in-the-Middle', tactics: ['CredentialAccess', 'Collection'], sources: ['audit', 'flow'] },
  { id: 'T1562.007', name: 'Disable or Modify Cloud Firewall', tactics: ['DefenseEvasion'], sources: ['audit', 'cloud'] },
  { id: 'T1562.008', name: 'Disable or Modify Cloud Logs', tactics: ['DefenseEvasion'], sources: ['cloud'] },
  { id: 'T1565', name: 'Data Manipulation', tactics: ['Impact'], sources: ['audit'] },
  { id: 'T1570', name: 'Lateral Tool Transfer', tactics: ['LateralMovement'], sources: ['runtime'] },
  { id: 'T1580', name: 'Cloud Infrastructure Discovery', tactics: ['Discovery'], sources: ['cloud'] },
  { id: 'T1606', name: 'Forge Web Credentials', tactics: ['CredentialAccess'], sources: ['audit'] },
  { id: 'T1651', name: 'Cloud Administration Command', tactics: ['Execution'], sources: ['cloud'] },
];

export const THREAT_MATRIX: Technique[] = [
  { id: 'MS-TA9001', name: 'Using cloud credentials', tactics: ['InitialAccess'], attack: ['T1078.004'], sources: ['cloud', 'identity', 'audit'] },
  { id: 'MS-TA9002', name: 'Compromised image in registry', tactics: ['InitialAccess'], attack: ['T1195.002', 'T1525'], sources: ['registry', 'cicd', 'audit', 'inventory'] },
  { id: 'MS-TA9003', name: 'Kubeconfig file', tactics: ['InitialAccess'], attack: [], sources: ['audit', 'node', 'identity'] },
  { id: 'MS-TA9004', name: 'Application vulnerability', tactics: ['InitialAccess'], attack: ['T1190'], sources: ['ingress', 'runtime', 'registry'] },
  { id: 'MS-TA9005', name: 'Exposed sensitive interfaces', tactics: ['InitialAccess', 'Discovery'], attack: ['T1133'], sources: ['audit', 'inventory', 'ingress', 'flow'] },
  { id: 'MS-TA9006', name: 'Exec into container', tactics: ['Execution'], attack: ['T1609'], sources: ['audit', 'runtime'] },
  { id: 'MS-TA9007', name: 'Bash or cmd inside container', tactics: ['Execution'], attack: ['T1059'], sources: ['runtime', 'audit'] },
  { id: 'MS-TA9008', name: 'New container', tactics: ['Execution'], attack: ['T1610'], sources: ['audit', 'inventory'] },
  { id: 'MS-TA9009', name: 'Application exploit (RCE)', tactics: ['Execution'], attack: ['T1190'], sources: ['runtime', 'ingress', 'registry'] },
  { id: 'MS-TA9010', name: 'SSH server running inside container', tactics: ['Execution'], attack: [], sources: ['runtime', 'inventory', 'flow'] },
  { id: 'MS-TA9011', name: 'Sidecar injection', tactics: ['Execution'], attack: ['T1610'], sources: ['audit'] },
  { id: 'MS-TA9012', name: 'Backdoor container', tactics: ['Persistence'], attack: ['T1543'], sources: ['audit', 'inventory'] },
  { id: 'MS-TA9013', name: 'Writable hostPath mount', tactics: ['Persistence', 'PrivilegeEscalation', 'LateralMovement'], attack: ['T1611'], sources: ['audit', 'inventory', 'runtime'] },
  { id: 'MS-TA9014', name: 'Kubernetes CronJob', tactics: ['Persistence'], attack: ['T1053.007'], sources: ['audit'] },
  { id: 'MS-TA9015', name: 'Malicious admission controller', tactics: ['Persistence', 'CredentialAccess'], attack: ['T1546'], sources: ['audit'] },
  { id: 'MS-TA9016', name: 'Container service account', tactics: ['CredentialAccess', 'LateralMovement', 'Persistence'], attack: ['T1528'], sources: ['audit', 'runtime'] },
  { id: 'MS-TA9017', name: 'Static pods', tactics: ['Persistence'], attack: [], sources: ['node', 'runtime', 'inventory', 'audit'] },
  { id: 'MS-TA9018', name: 'Privileged container', tactics: ['PrivilegeEscalation'], attack: ['T1610'], sources: ['audit', 'inventory', 'runtime'] },
  { id: 'MS-TA9019', name: 'Cluster-admin binding', tactics: ['PrivilegeEscalation'], attack: ['T1078.003'], sources: ['audit'] },
  { id: 'MS-TA9020', name: 'Access cloud resources', tactics: ['PrivilegeEscalation', 'LateralMovement'], attack: ['T1078.004'], sources: ['cloud', 'runtime', 'flow'] },
  { id: 'MS-TA9021', name: 'Clear container logs', tactics: ['DefenseEvasion'], attack: ['T1070'], sources: ['runtime'] },
  { id: 'MS-TA9022', name: 'Delete K8S events', tactics: ['DefenseEvasion'], attack: ['T1070'], sources: ['audit'] },
  { id: 'MS-TA9023', name: 'Pod or container name similarity', tactics: ['DefenseEvasion'], attack: ['T1036.005'], sources: ['audit', 'inventory'] },
  { id: 'MS-TA9024', name: 'Connect from proxy server', tactics: ['DefenseEvasion'], attack: ['T1090'], sources: ['audit', 'ingress', 'identity', 'flow'] },
  { id: 'MS-TA9025', name: 'List K8S secrets', tactics: ['CredentialAccess'], attack: ['T1552.007'], sources: ['audit'] },
  { id: 'MS-TA9026', name: 'Mount service principal', tactics: ['CredentialAccess'], attack: ['T1552.001'], sources: ['audit', 'inventory', 'runtime'] },
  { id: 'MS-TA9027', name: 'Application credentials in configuration files', tactics: ['CredentialAccess', 'LateralMovement'], attack: ['T1552'], sources: ['audit', 'inventory', 'cicd'] },
  { id: 'MS-TA9028', name: 'Access managed identity credentials', tactics: ['CredentialAccess'], attack: ['T1552.005'], sources: ['flow', 'runtime', 'cloud', 'audit'] },
  { id: 'MS-TA9029', name: 'Access Kubernetes API server', tactics: ['Discovery'], attack: ['T1613'], sources: ['audit', 'flow', 'runtime'] },
  { id: 'MS-TA9030', name: 'Access Kubelet API', tactics: ['Discovery'], attack: ['T1613'], sources: ['flow', 'audit', 'runtime', 'node'] },
  { id: 'MS-TA9031', name: 'Network mapping', tactics: ['Discovery'], attack: ['T1046'], sources: ['flow', 'runtime'] },
  { id: 'MS-TA9033', name: 'Instance Metadata API', tactics: ['Discovery'], attack: ['T1552.005'], sources: ['flow', 'runtime', 'audit'] },
  { id: 'MS-TA9034', name: 'Cluster internal networking', tactics: ['LateralMovement'], attack: ['T1210'], sources: ['flow', 'audit'] },
  { id: 'MS-TA9035', name: 'CoreDNS poisoning', tactics: ['LateralMovement'], attack: ['T1557'], sources: ['audit'] },
  { id: 'MS-TA9036', name: 'ARP poisoning and IP spoofing', tactics: ['LateralMovement'], attack: ['T1557'], sources: ['runtime', 'flow', 'node'] },
  { id: 'MS-TA9037', name: 'Images from a private registry', tactics: ['Collection'], attack: ['T1530'], sources: ['registry', 'audit', 'cloud'] },
  { id: 'MS-TA9038', name: 'Data destruction', tactics: ['Impact'], attack: ['T1485'], sources: ['audit', 'cloud', 'registry'] },
  { id: 'MS-TA9039', name: 'Resource hijacking', tactics: ['Impact'], attack: ['T1496'], sources: ['runtime', 'inventory', 'metrics', 'flow', 'audit'] },
  { id: 'MS-TA9040', name: 'Denial of service', tactics: ['Impact'], attack: ['T1498', 'T1499'], sources: ['audit', 'ingress', 'flow', 'metrics'] },
  { id: 'MS-TA9041', name: 'Collecting data from pod', tactics: ['Collection'], attack: [], sources: ['audit', 'runtime'] },
];
