// A stand-in for the server, for work on the portal alone: serves dist with the shipped content security
// policies, and answers the API from a few made-up incidents. Never part of the build.
//   node dev/server.mjs [port]      user "admin", password "correct horse battery"
// With TAFFRAIL_URL the API is that of a real server instead.
import { createServer, request as forward } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';

const dist = new URL('../dist/', import.meta.url).pathname;
const port = Number(process.argv[2] ?? 0);
const PAGE = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; worker-src 'self'; connect-src 'self'";
const WORKER = "default-src 'none'; script-src 'self' 'unsafe-eval'; connect-src 'self'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.ttf': 'font/ttf', '.woff2': 'font/woff2' };

const ago = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();
const columns = [
  ['TimeGenerated', 'datetime'], ['AuditId', 'string'], ['Level', 'string'], ['EventType', 'string'], ['Verb', 'string'], ['User', 'dynamic'], ['Namespace', 'string'], ['Resource', 'string'], ['ObjectName', 'string'], ['SourceIPs', 'dynamic'], ['ResponseCode', 'int'], ['RequestObject', 'dynamic'],
].map(([name, type]) => ({ name, type }));
const users = ['masterclient', 'system:serviceaccount:ci:runner', 'alice@example.org', 'system:node:worker-2', 'system:anonymous'];
const verbs = ['get', 'list', 'watch', 'create', 'update', 'delete'];
const resources = ['pods', 'secrets', 'configmaps', 'deployments', 'clusterrolebindings', 'cronjobs'];
const pick = (list, i) => list[i % list.length];
function event(i, more = {}) {
  const row = {
    TimeGenerated: ago(i * 1.7), AuditId: `7f0b2c1e-${String(1000 + i)}-4e6a-9d1b-0c2f3a4b5c6d`, Level: i % 7 === 0 ? 'Warning' : 'Informational',
    EventType: i % 7 === 0 ? 'Exec' : 'Get', Verb: pick(verbs, i * 7 + 3), User: { username: pick(users, i * 3), groups: ['system:authenticated'], extra: { 'authentication.kubernetes.io/pod-name': ['runner-x'] } },
    Namespace: pick(['default', 'kube-system', 'payments', 'ci'], i), Resource: pick(resources, i * 5), ObjectName: `web-${i % 40}`, SourceIPs: [`10.0.${i % 9}.${i % 250}`], ResponseCode: pick([200, 201, 403, 404], i),
    RequestObject: i % 3 === 0 ? { kind: 'Pod', metadata: { name: `web-${i}`, labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'nginx:1.27', securityContext: { privileged: true } }] } } : null,
    ...more,
  };
  return columns.map((c) => row[c.name]);
}
const RULES = [
  ['exec-into-pod', 'Command run inside a pod', 'Medium', ['Execution'], ['T1609'], 'Somebody opened a shell or ran a command inside a running container with `kubectl exec`.\n\nWorkloads are not administered like this in a healthy cluster: it is how attackers look around after a credential leaked.'],
  ['cluster-admin-binding', 'Cluster-admin given away', 'High', ['Persistence', 'PrivilegeEscalation'], ['T1098.006', 'T1078'], 'A role binding gives **cluster-admin** to an identity: it may now do everything, everywhere.'],
  ['privileged-container', 'Privileged container created', 'High', ['PrivilegeEscalation'], ['T1610', 'T1611'], 'A pod with a privileged container was created. It has the whole node.'],
  ['secrets-listed', 'Secrets listed across namespaces', 'Medium', ['CredentialAccess'], ['T1552.007'], 'One identity read the secrets of several namespaces within minutes.'],
  ['miner', 'Container of a cryptocurrency miner', 'High', ['Impact'], ['T1496.001'], 'The image or command of a new pod belongs to a known miner.'],
  ['anonymous-binding', 'Binding for anonymous users', 'High', ['InitialAccess'], ['T1190', 'T1078.001'], 'A binding names system:anonymous or system:unauthenticated.'],
  ['cronjob', 'CronJob created by hand', 'Low', ['Persistence', 'Execution'], ['T1053.007'], 'A CronJob was created by a person, not by a controller or pipeline.'],
  ['events-deleted', 'Events deleted', 'Informational', ['DefenseEvasion'], ['T1070'], 'Kubernetes events were deleted in bulk.'],
].map(([id, name, severity, tactics, techniques, description], i) => ({
  id, name, severity, tactics, techniques, description, kind: i % 3 === 0 ? 'NRT' : 'Scheduled', enabled: i !== 7, queryFrequency: 'PT5M', queryPeriod: 'PT10M', triggerOperator: 'gt', triggerThreshold: 0, version: '1.0.0',
  query: `KubernetesAudit\n| where Stage == "ResponseComplete"\n| where Verb == "create" and Resource == "${pick(resources, i)}"\n| extend Actor = tostring(User.username)\n| project TimeGenerated, AuditId, Actor, Namespace, ObjectName, SourceIPs`,
  entityMappings: [{ entityType: 'Account', fieldMappings: [{ identifier: 'FullName', columnName: 'Actor' }] }, { entityType: 'IP', fieldMappings: [{ identifier: 'Address', columnName: 'SourceIp' }] }],
  response: ['Ask the owner of the identity whether this was intended.', 'Revoke the credential: `kubectl delete secret …` or rotate the certificate.'],
  incidentConfiguration: { createIncident: true, groupingConfiguration: { enabled: true, lookbackDuration: 'PT5H', matchingMethod: 'Selected', groupByEntities: ['Account'] } },
}));
const incidents = [];
function incident(number, minutes) {
  const rules = [pick(RULES, number), ...(number % 3 === 0 ? [pick(RULES, number + 2)] : [])];
  const user = pick(users, number);
  const entities = [
    { type: 'Account', name: user, ...(user.startsWith('system:serviceaccount') ? { namespace: 'ci' } : {}) }, { type: 'IP', name: `10.0.${number % 9}.14` },
    { type: 'KubernetesPod', name: `web-${number}-7f9c`, namespace: pick(['payments', 'default'], number), cluster: 'prod' }, { type: 'KubernetesNamespace', name: pick(['payments', 'default'], number) },
  ].slice(0, 2 + (number % 3));
  const status = number % 5 === 0 ? 'Closed' : number % 4 === 0 ? 'Active' : 'New';
  const one = {
    number, id: `0190-${number}`, title: `${rules[0].name}${number % 2 ? ` by ${user}` : ''}`, description: rules[0].description, severity: rules[0].severity, status, owner: status === 'New' ? null : pick(['admin', 'mona'], number),
    classification: status === 'Closed' ? 'BenignPositive' : null, classificationReason: status === 'Closed' ? 'SuspiciousButExpected' : null, classificationComment: status === 'Closed' ? 'Planned maintenance.' : null,
    entities, tactics: [...new Set(rules.flatMap((r) => r.tactics))], techniques: [...new Set(rules.flatMap((r) => r.techniques))], alertCount: rules.length, firstActivity: ago(minutes + 12), lastActivity: ago(minutes), createdAt: ago(minutes - 0.2), updatedAt: ago(minutes - 0.2),
    closedAt: status === 'Closed' ? ago(minutes - 30) : null, cluster: 'prod', rules: rules.map((r) => r.id),
    alerts: rules.map((r, i) => ({
      id: `a${number}-${i}`, rule: r.id, ruleName: r.name, title: `${r.name} by ${user}`, description: r.description, severity: r.severity, tactics: r.tactics, techniques: r.techniques, entities, firstActivity: ago(minutes + 12), lastActivity: ago(minutes + i * 3), createdAt: ago(minutes), cluster: 'prod',
      customDetails: { Image: 'docker.io/library/nginx:1.27', Command: 'sh -c "cat /var/run/secrets/kubernetes.io/serviceaccount/token"' }, evidence: { columns, rows: Array.from({ length: 4 + (number % 4) }, (_, k) => event(number * 10 + k, { TimeGenerated: ago(minutes + k * 2.5), User: { username: user } })) }, count: 4 + (number % 4), query: r.query, remediation: r.response,
    })),
    tasks: [], comments: number % 4 === 0 ? [{ id: `c${number}`, author: 'mona', message: 'Looked at it with `kubectl auth can-i --list`.\n\n- token rotated\n- **pod removed**\n\nSee https://kubernetes.io/docs/concepts/security/', createdAt: ago(minutes - 5) }] : [],
    activity: [{ id: `x${number}`, createdAt: ago(minutes - 0.2), actor: 'taffrail', kind: 'created', field: null, from: null, to: null }, ...(status === 'New' ? [] : [{ id: `y${number}`, createdAt: ago(minutes - 3), actor: 'mona', kind: 'changed', field: 'status', from: 'New', to: status }, { id: `z${number}`, createdAt: ago(minutes - 3), actor: 'mona', kind: 'changed', field: 'owner', from: null, to: 'mona' }])],
  };
  return one;
}
for (let n = 1; n <= 74; n += 1) incidents.unshift(incident(n, (75 - n) * 37 + 4));
const SCHEMA = {
  tables: [
    { name: 'KubernetesAudit', about: 'Requests to the API server of a cluster, from its audit log', group: 'Kubernetes', kind: 'table', columns: columns.map((c) => ({ ...c, about: `About ${c.name}` })) },
    ...['AzureDiagnostics', 'AKSAudit', 'AKSAuditAdmin'].map((name) => ({ name, about: `As Microsoft's ${name}`, group: 'Azure', kind: 'view', columns: [{ name: 'TimeGenerated', type: 'datetime', about: '' }, { name: 'Category', type: 'string', about: '' }, { name: 'log_s', type: 'string', about: 'The whole event as text' }] })),
    ...['SecurityAlert', 'SecurityIncident', 'DeadLetter', 'TaffrailHealth'].map((name) => ({ name, about: name, group: 'Taffrail', kind: 'table', columns: [{ name: 'TimeGenerated', type: 'datetime', about: '' }, { name: 'Reason', type: 'string', about: '' }] })),
  ],
  functions: ['count', 'countif', 'dcount', 'bin', 'ago', 'now', 'tostring', 'parse_json', 'strcat', 'make_set', 'arg_max'].map((name) => ({ name, kind: 'scalar', usage: `${name}()`, summary: name })),
};
const streams = new Set();
const tell = (number, change) => streams.forEach((s) => s.write(`event: incident\ndata: ${JSON.stringify({ number, change })}\n\n`));
let failures = 0;

function problem(query) {
  const place = (offset) => { const before = query.slice(0, offset).split('\n'); return { line: before.length, column: before.at(-1).length + 1, offset }; };
  const at = query.search(/\bTimeGenerate\b/);
  const typo = query.search(/\bVreb\b/);
  if (typo >= 0) return [{ severity: 'error', code: 'KQL002', message: 'there is no column Vreb here', help: 'did you mean Verb?', start: place(typo), end: place(typo + 4), fix: { start: place(typo), end: place(typo + 4), text: 'Verb' } }];
  if (at >= 0) return [{ severity: 'error', code: 'KQL002', message: 'there is no column TimeGenerate here', help: 'did you mean TimeGenerated?', start: place(at), end: place(at + 12), fix: { start: place(at), end: place(at + 12), text: 'TimeGenerated' } }];
  const curly = query.search(/[“”]/);
  if (curly >= 0) return [{ severity: 'error', code: 'KQL001', message: 'a curly quote does not begin a string', help: 'use "', start: place(curly), end: place(curly + 1), fix: { start: place(curly), end: place(curly + 1), text: '"' } }];
  return [];
}
function answer(query) {
  const render = /render\s+(\w+)/.exec(query)?.[1];
  let table = { columns, rows: Array.from({ length: /take (\d+)/.test(query) ? Number(/take (\d+)/.exec(query)[1]) : 3000 }, (_, i) => event(i)) };
  if (/bin\(TimeGenerated/.test(query)) {
    table = { columns: [{ name: 'TimeGenerated', type: 'datetime' }, { name: 'Verb', type: 'string' }, { name: 'count_', type: 'long' }], rows: Array.from({ length: 144 }, (_, i) => verbs.slice(0, 4).map((v, k) => [ago(i * 10), v, Math.round(40 + 30 * Math.sin(i / 9 + k) + k * 12)])).flat() };
  } else if (/summarize/.test(query)) {
    table = { columns: [{ name: 'User', type: 'string' }, { name: 'Events', type: 'long' }], rows: users.map((u, i) => [u, 1200 - i * 210]) };
  }
  const wanted = /project ([\w, ]+)/.exec(query)?.[1].split(',').map((n) => n.trim());
  if (wanted) {
    const at = wanted.map((n) => table.columns.findIndex((c) => c.name === n)).filter((i) => i >= 0);
    table = { columns: at.map((i) => table.columns[i]), rows: table.rows.map((r) => at.map((i) => r[i])) };
  }
  const verb = /where Verb == "(\w+)"/.exec(query)?.[1];
  if (verb) table.rows = table.rows.filter((r) => r[table.columns.findIndex((c) => c.name === 'Verb')] === verb);
  return { tables: [{ name: 'PrimaryResult', ...table }], statistics: { query: { executionTime: 0.042 } }, render: render ? { visualization: render } : null };
}
function list(search) {
  const all = (name) => search.getAll(name);
  const words = (search.get('search') ?? '').toLowerCase();
  const fits = (i, without) =>
    (without === 'status' || !all('status').length || all('status').includes(i.status)) && (without === 'severity' || !all('severity').length || all('severity').includes(i.severity)) && (without === 'owner' || !all('owner').length || all('owner').includes(i.owner ?? '')) &&
    (without === 'technique' || !all('technique').length || i.techniques.some((t) => all('technique').includes(t))) && (without === 'tactic' || !all('tactic').length || i.tactics.some((t) => all('tactic').includes(t))) && (words === '' || JSON.stringify([i.number, i.title, i.entities, i.techniques, i.rules]).toLowerCase().includes(words));
  const facets = {};
  for (const [facet, of] of [['status', (i) => [i.status]], ['severity', (i) => [i.severity]], ['owner', (i) => [i.owner ?? '']], ['tactic', (i) => i.tactics], ['technique', (i) => i.techniques]]) {
    facets[facet] = {};
    for (const i of incidents.filter((x) => fits(x, facet))) for (const v of of(i)) facets[facet][v] = (facets[facet][v] ?? 0) + 1;
  }
  const order = search.get('order') === 'asc' ? 1 : -1;
  const key = search.get('sort') ?? 'lastActivity';
  const rank = { High: 3, Medium: 2, Low: 1, Informational: 0 };
  const value = (i) => (key === 'severity' ? rank[i.severity] : (i[key] ?? ''));
  const found = incidents.filter((i) => fits(i)).sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * order);
  const offset = Number(search.get('offset') ?? 0);
  return { items: found.slice(offset, offset + Number(search.get('limit') ?? 50)), total: found.length, facets };
}

async function api(request, url, body) {
  const { method } = request;
  const signedIn = (request.headers.cookie ?? '').includes('dev=1');
  const path = url.pathname;
  const session = { user: { name: 'admin', displayName: 'Admin', role: 'Administrator' }, csrf: 'c', mustChange: false, noAuth: false };
  if (path === '/api/v1/session') {
    if (method === 'POST') {
      if (failures >= 5) return [429, { error: { code: 'Blocked', message: 'blocked' } }, { 'Retry-After': '300' }];
      if (body.password !== 'correct horse battery') return (failures += 1), [401, { error: { code: 'WrongPassword', message: 'wrong' } }];
      failures = 0;
      return [200, session, { 'Set-Cookie': 'dev=1; Path=/; SameSite=Strict' }];
    }
    if (method === 'DELETE') return [204, undefined, { 'Set-Cookie': 'dev=; Path=/; Max-Age=0' }];
    return signedIn ? [200, session] : [401, { error: { code: 'Unauthorized', message: 'not signed in' } }];
  }
  if (!signedIn) return [401, { error: { code: 'Unauthorized', message: 'not signed in' } }];
  if (path === '/api/v1/session/all') return [200, [{ id: '1', address: '127.0.0.1', agent: 'Mozilla/5.0 Chrome', createdAt: ago(90), lastSeen: ago(1), expiresAt: ago(-900) }]];
  if (path === '/api/v1/incidents') return [200, list(url.searchParams)];
  const one = /^\/api\/v1\/incidents\/(\d+)(\/comments)?$/.exec(path);
  if (one) {
    const found = incidents.find((i) => i.number === Number(one[1]));
    if (!found) return [404, { error: { code: 'NotFound', message: 'there is no such incident' } }];
    if (method === 'PATCH') {
      for (const [field, to] of Object.entries(body)) found.activity.push({ id: `${Date.now()}${field}`, createdAt: ago(0), actor: 'admin', kind: 'changed', field, from: found[field] ?? null, to });
      Object.assign(found, body, { updatedAt: ago(0) });
      found.closedAt = found.status === 'Closed' ? ago(0) : null;
      tell(found.number, 'updated');
    }
    if (one[2]) found.comments.push({ id: `${Date.now()}`, author: 'admin', message: body.message, createdAt: ago(0) });
    return [one[2] ? 201 : 200, found];
  }
  if (path === '/api/v1/dev/incident') { const n = incidents.length + 1; incidents.unshift(incident(n, 0)); tell(n, 'created'); return [200, {}]; }
  if (path === '/api/v1/rules') return [200, RULES];
  if (path.startsWith('/api/v1/rules/')) { const r = RULES.find((x) => x.id === decodeURIComponent(path.slice(14))); return r ? [200, r] : [404, { error: { code: 'NotFound', message: 'no such rule' } }]; }
  if (path === '/api/v1/schema') return [200, SCHEMA];
  if (path === '/api/v1/query/check') return [200, { diagnostics: problem(body.query) }];
  if (path === '/api/v1/history') return [200, [{ query: 'KubernetesAudit\n| take 10', at: ago(3), elapsedMs: 41, rows: 10, error: null }, { query: 'KubernetesAudit | where TimeGenerate > ago(1h)', at: ago(5), elapsedMs: 3, rows: null, error: 'there is no column' }]];
  if (path === '/v1/workspaces/taffrail/query') {
    await new Promise((r) => setTimeout(r, 250));
    const found = problem(body.query);
    if (found.length) return [400, { error: { code: 'BadArgumentError', message: 'The request had some invalid properties', innererror: { code: 'SyntaxError', message: found[0].message, line: found[0].start.line, pos: found[0].start.column }, diagnostics: found } }];
    return [200, answer(body.query)];
  }
  if (path === '/api/v1/users') return [method === 'POST' ? 201 : 200, method === 'POST' ? { name: body.name, role: body.role, password: 'made-once-only' } : [{ name: 'admin', displayName: 'Admin', role: 'Administrator', disabled: false, mustChange: false, createdAt: ago(9000), lastSignIn: ago(30) }, { name: 'mona', displayName: 'Mona', role: 'Responder', disabled: false, mustChange: true, createdAt: ago(8000), lastSignIn: null }]];
  if (path === '/api/v1/tokens') return [method === 'POST' ? 201 : 200, method === 'POST' ? { ...body, id: 'n', createdAt: ago(0), token: 'tfr_0123456789abcdef' } : [{ id: '1', name: 'audit webhook of prod', kind: 'ingest', source: 'kubernetes-audit', cluster: 'prod', createdBy: 'admin', createdAt: ago(7000), expiresAt: null, lastUsed: ago(1) }, { id: '2', name: 'reports', kind: 'api', role: 'Reader', createdBy: 'admin', createdAt: ago(700), expiresAt: ago(-90000), lastUsed: null }]];
  if (path === '/api/v1/health') return [200, { status: 'ok', version: '0.1.0', parts: [{ name: 'state', status: 'ok' }, { name: 'lake', status: 'ok' }, { name: 'server', status: 'ok' }], tables: [{ name: 'KubernetesAudit', rows: 184231, bytes: 23412345, hotRows: 812, files: 14 }, { name: 'SecurityAlert', rows: 91, bytes: 42123, hotRows: 3, files: 2 }], rules: RULES.length }];
  return [404, { error: { code: 'NotFound', message: 'there is nothing at this address' } }];
}

const behind = process.env.TAFFRAIL_URL ? new URL(process.env.TAFFRAIL_URL) : null;
function pass(request, response) {
  const onward = forward({ host: behind.hostname, port: behind.port, path: request.url, method: request.method, headers: { ...request.headers, host: behind.host, ...(request.headers.origin === undefined ? {} : { origin: behind.origin }) } }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', (error) => response.writeHead(502).end(String(error)));
  request.pipe(onward);
  response.on('close', () => onward.destroy());
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://x');
  if (behind && /^\/(api|v1|v2|ingest)\//.test(url.pathname)) return pass(request, response);
  try {
    if (url.pathname === '/api/v1/events') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write('event: ping\ndata: {}\n\n');
      streams.add(response);
      request.on('close', () => streams.delete(response));
      return;
    }
    if (/^\/(api|v1)\//.test(url.pathname)) {
      let text = '';
      for await (const part of request) text += part;
      const [status, answered, headers] = await api(request, url, text === '' ? {} : JSON.parse(text));
      response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(answered === undefined ? undefined : JSON.stringify(answered));
      return;
    }
    const wanted = normalize(url.pathname).replace(/^\/+/, '');
    const file = extname(wanted) === '' ? 'index.html' : wanted;
    const data = await readFile(join(dist, file));
    response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': file.endsWith('kusto-worker.js') ? WORKER : PAGE }).end(data);
  } catch (error) {
    response.writeHead(404).end(String(error));
  }
});
server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
