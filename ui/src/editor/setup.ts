// Monaco with the Kusto language service, loaded only when a page shows an editor.
//
// The Kusto worker gives colours, completion, hover and formatting from the live schema. What is
// right and wrong in a query is decided by the server alone (it knows what this engine runs), so the
// worker's own markers are kept out and the server's diagnostics are shown instead.
import * as monaco from 'monaco-editor/esm/vs/editor/editor.api';
import 'monaco-editor/esm/vs/editor/edcore.main';
import EditorWorker from 'monaco-editor/esm/vs/editor/editor.worker?worker';
import { setupMode } from '@kusto/monaco-kusto/release/esm/kustoMode';
import { KustoLanguageDefinition } from '@kusto/monaco-kusto/release/esm/languageServiceManager/kustoMonarchLanguageDefinition';
import type { KustoWorker, LanguageServiceDefaults } from '@kusto/monaco-kusto';
import type { SchemaAnswer, SchemaFunction } from '../api/types';
import { defineThemes } from './theme';
import { request } from '../api/client';
import { toKustoSchema } from './schema';

export { monaco };

/** The language every model of a query has. */
export const LANGUAGE = 'kusto';

declare global {
  interface Window {
    MonacoEnvironment?: monaco.Environment;
  }
}

self.MonacoEnvironment = {
  getWorker(_id: string, label: string): Worker {
    if (label === LANGUAGE) {
      return new Worker('/assets/kusto-worker.js', { name: 'kusto' });
    }
    return new EditorWorker({ name: 'editor' });
  },
};

let known: Map<string, SchemaFunction> | null = null;

interface Item {
  label: string;
  kind?: number;
  textEdit?: { newText: string };
  insertText?: string;
  documentation?: unknown;
}

// Kinds of the language server protocol; the Kusto worker gives functions the kind of fields and the
// other way round.
const FUNCTION = 3;
const FIELD = 5;
const TABLE = 7;

/** Offers only functions that this server has, explained in the server's own words. */
function complete(list: { items: Item[] } | undefined): { items: Item[] } | undefined {
  const functions = known;
  if (!list) return list;
  list.items = list.items.flatMap((item) => {
    if (item.kind === FUNCTION) return [{ ...item, kind: FIELD }];
    if (item.kind === TABLE) return [item];
    const isCall = item.kind === FIELD && (item.textEdit?.newText ?? item.insertText ?? item.label).includes('(');
    if (!isCall) return [{ ...item, documentation: undefined }];
    const found = functions?.get(item.label.replace(/\(.*$/, '').trim());
    if (functions !== null && found === undefined) return [];
    const documentation = found === undefined ? undefined : { kind: 'markdown', value: `\`${found.usage}\`\n\n${found.summary}` };
    return [{ ...item, kind: FUNCTION, documentation }];
  });
  return list;
}

const settings = {
  includeControlCommands: false,
  newlineAfterPipe: true,
  openSuggestionDialogAfterPreviousSuggestionAccepted: true,
  useIntellisenseV2: true,
  useSemanticColorization: true,
  useTokenColorization: true,
  // Its help links to pages of another host.
  enableHover: false,
  formatter: { indentationSize: 4, pipeOperatorStyle: 'Smart' },
  syntaxErrorAsMarkDown: { enableSyntaxErrorAsMarkDown: false },
  enableQueryWarnings: false,
  enableQuerySuggestions: false,
  disabledDiagnosticCodes: [],
  quickFixCodeActions: [],
  enableQuickFixes: false,
  completionOptions: { includeExtendedSyntax: false },
  // Only functions that this server has are offered.
  onDidProvideCompletionItems: complete,
};

interface HoverAnswer {
  hover: { name: string; kind: string; detail: string; about?: string; start: Place; end: Place } | null;
}

interface Place {
  line: number;
  column: number;
}

/** What the word under the pointer is, in the server's own words. */
async function explain(
  model: monaco.editor.ITextModel,
  position: monaco.Position,
  token: monaco.CancellationToken,
): Promise<monaco.languages.Hover | null> {
  const abort = new AbortController();
  const stop = token.onCancellationRequested(() => abort.abort());
  const query = model.getValue();
  // The server counts characters, the editor half characters.
  const offset = Array.from(query.slice(0, model.getOffsetAt(position))).length;
  try {
    const answer = await request<HoverAnswer>('/api/v1/query/hover', { method: 'POST', body: { query, offset }, signal: abort.signal });
    if (!answer.hover) return null;
    const { name, kind, detail, about } = answer.hover;
    const head = detail === '' || detail === name ? name : detail.startsWith(name) ? detail : `${name}: ${detail}`;
    return { contents: [{ value: `\`${head}\` (${kind})` }, ...(about ? [{ value: about }] : [])] };
  } catch {
    return null;
  } finally {
    stop.dispose();
  }
}

let ready: Promise<(uri: monaco.Uri) => Promise<KustoWorker>> | null = null;

function start() {
  monaco.languages.register({ id: LANGUAGE, extensions: ['.kql', '.csl'], aliases: ['KQL'] });
  monaco.languages.setMonarchTokensProvider(LANGUAGE, KustoLanguageDefinition as monaco.languages.IMonarchLanguage);
  defineThemes();
  monaco.languages.registerHoverProvider(LANGUAGE, { provideHover: explain });
  const quiet = {
    ...monaco,
    editor: { ...monaco.editor, setModelMarkers: () => undefined },
  } as typeof monaco;
  const emitter = new monaco.Emitter<LanguageServiceDefaults>();
  const defaults = {
    onDidChange: emitter.event,
    languageSettings: settings,
    setLanguageSettings: () => undefined,
    setMaximumWorkerIdleTime: () => undefined,
    getWorkerMaxIdleTime: () => 0,
  } as unknown as LanguageServiceDefaults;
  return setupMode(defaults, quiet) as (uri: monaco.Uri) => Promise<KustoWorker>;
}

/** Registers the language once; cheap to call again. */
export function ensureLanguage(): Promise<(uri: monaco.Uri) => Promise<KustoWorker>> {
  ready ??= Promise.resolve().then(start);
  return ready;
}

/** Tells the language service which tables and functions there are. */
export async function setSchema(uri: monaco.Uri, schema: SchemaAnswer): Promise<void> {
  const accessor = await ensureLanguage();
  known = schema.functions.length > 0 ? new Map(schema.functions.map((f) => [f.name, f])) : null;
  const worker = await accessor(uri);
  await worker.setSchema(toKustoSchema(schema));
}
