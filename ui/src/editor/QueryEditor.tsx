// The KQL editor. Monaco and the language service arrive on first use; until then the text can be read.
import { useEffect, useImperativeHandle, useRef, useState, type Ref } from 'react';
import { request } from '../api/client';
import type { Diagnostic, SchemaAnswer } from '../api/types';
import { isError, toRange } from '../lib/diagnostics';
import { useTheme } from '../lib/theme';
import type * as Setup from './setup';

export interface EditorHandle {
  /** The selected text with where it starts, or null when nothing is selected. */
  selection(): { text: string; line: number; column: number } | null;
  insert(text: string): void;
  reveal(diagnostic: Diagnostic): void;
  applyFix(diagnostic: Diagnostic): void;
  focus(): void;
}

interface Props {
  ref?: Ref<EditorHandle>;
  /** Each query has its own undo history. */
  id: string;
  value: string;
  schema: SchemaAnswer | undefined;
  onChange: (text: string) => void;
  onRun: () => void;
  onStop: () => void;
  /** What the last run complained about; shown until the text changes. */
  failed: Diagnostic[];
}

const CHECK_AFTER = 350;
const OWNER = 'taffrail';

type Editor = Setup.monaco.editor.IStandaloneCodeEditor;

let loading: Promise<typeof Setup> | null = null;
const load = (): Promise<typeof Setup> => (loading ??= import('./setup'));

/** Diagnostics by model, for the quick fixes. */
const known = new Map<string, Diagnostic[]>();
let fixesRegistered = false;

function registerFixes({ monaco, LANGUAGE }: typeof Setup): void {
  if (fixesRegistered) return;
  fixesRegistered = true;
  monaco.languages.registerCodeActionProvider(LANGUAGE, {
    provideCodeActions(model, range) {
      const text = model.getValue();
      const actions = (known.get(model.uri.toString()) ?? []).flatMap((diagnostic) => {
        if (!diagnostic.fix) return [];
        const place = toRange(text, diagnostic.start, diagnostic.end);
        if (!monaco.Range.areIntersectingOrTouching(place, range)) return [];
        const edit = toRange(text, diagnostic.fix.start, diagnostic.fix.end, false);
        return [
          {
            title: describeFix(model.getValueInRange(edit), diagnostic.fix.text),
            kind: 'quickfix',
            isPreferred: true,
            edit: { edits: [{ resource: model.uri, versionId: model.getVersionId(), textEdit: { range: edit, text: diagnostic.fix.text } }] },
          },
        ];
      });
      return { actions, dispose: () => undefined };
    },
  });
}

export function describeFix(before: string, after: string): string {
  if (before === '') return `Insert ${after.trim() === '' ? 'a space' : after.trim()}`;
  if (after === '') return `Remove ${before}`;
  return `Replace ${before} with ${after}`;
}

export function QueryEditor({ ref, id, value, schema, onChange, onRun, onStop, failed }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor | null>(null);
  const [setup, setSetup] = useState<typeof Setup | null>(null);
  const [broken, setBroken] = useState(false);
  const theme = useTheme();
  const latest = useRef({ onChange, onRun, onStop });
  latest.current = { onChange, onRun, onStop };

  useEffect(() => {
    let gone = false;
    let created: Editor | null = null;
    load()
      .then(async (module) => {
        await module.ensureLanguage();
        if (gone || host.current === null) return;
        registerFixes(module);
        const { monaco } = module;
        created = monaco.editor.create(host.current, {
          model: null,
          automaticLayout: true,
          minimap: { enabled: false },
          fontFamily: "'JetBrains Mono Variable', ui-monospace, Menlo, Consolas, monospace",
          fontSize: 13,
          fontLigatures: false,
          lineHeight: 20,
          lineNumbersMinChars: 3,
          padding: { top: 8, bottom: 8 },
          scrollBeyondLastLine: false,
          wordWrap: 'on',
          wordBasedSuggestions: 'off',
          fixedOverflowWidgets: true,
          renderLineHighlight: 'line',
          overviewRulerBorder: false,
          hideCursorInOverviewRuler: true,
          lightbulb: { enabled: monaco.editor.ShowLightbulbIconMode.OnCode },
          suggest: { showWords: false, preview: false },
          scrollbar: { verticalScrollbarSize: 10, horizontalScrollbarSize: 10, alwaysConsumeMouseWheel: false },
          ariaLabel: 'Query',
          // The worker colours what it understands; ambiguity marks would cry wolf on foreign names.
          unicodeHighlight: { ambiguousCharacters: true, nonBasicASCII: false },
          'semanticHighlighting.enabled': false,
        });
        const run = (): void => latest.current.onRun();
        created.addAction({ id: 'run', label: 'Run the query', keybindings: [monaco.KeyMod.Shift | monaco.KeyCode.Enter, monaco.KeyMod.CtrlCmd | monaco.KeyCode.Enter, monaco.KeyCode.F5], run });
        created.onKeyDown((event) => {
          if (event.keyCode === monaco.KeyCode.Escape) latest.current.onStop();
        });
        editor.current = created;
        setSetup(module);
      })
      .catch((error: unknown) => {
        console.error(error);
        if (!gone) setBroken(true);
      });
    return () => {
      gone = true;
      created?.dispose();
      editor.current = null;
    };
  }, []);

  useEffect(() => {
    setup?.monaco.editor.setTheme(theme === 'dark' ? 'taffrail-dark' : 'taffrail-light');
  }, [setup, theme]);

  // One model for each query tab.
  useEffect(() => {
    if (setup === null || editor.current === null) return undefined;
    const { monaco, LANGUAGE } = setup;
    const uri = monaco.Uri.parse(`inmemory://taffrail/${id}.kql`);
    const model = monaco.editor.getModel(uri) ?? monaco.editor.createModel(value, LANGUAGE, uri);
    if (model.getValue() !== value) model.setValue(value);
    editor.current.setModel(model);
    editor.current.focus();
    const end = model.getFullModelRange().getEndPosition();
    editor.current.setPosition(end);
    const listening = model.onDidChangeContent(() => latest.current.onChange(model.getValue()));
    if (schema) void setup.setSchema(uri, schema).catch((error: unknown) => console.error(error));
    return () => listening.dispose();
    // The value is only the first one here; later ones come through the effect below.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [setup, id, schema]);

  useEffect(() => {
    const model = editor.current?.getModel();
    if (model && model.getValue() !== value) {
      editor.current?.executeEdits('outside', [{ range: model.getFullModelRange(), text: value }]);
      editor.current?.pushUndoStop();
    }
  }, [value]);

  // The server's opinion of the text, at its place in the text.
  useEffect(() => {
    const model = editor.current?.getModel();
    if (setup === null || !model) return undefined;
    const show = (diagnostics: Diagnostic[]): void => {
      if (model.isDisposed()) return;
      known.set(model.uri.toString(), diagnostics);
      const { monaco } = setup;
      const text = model.getValue();
      monaco.editor.setModelMarkers(
        model,
        OWNER,
        diagnostics.map((diagnostic) => ({
          ...toRange(text, diagnostic.start, diagnostic.end),
          severity: isError(diagnostic) ? monaco.MarkerSeverity.Error : monaco.MarkerSeverity.Warning,
          message: diagnostic.help ? `${diagnostic.message}\n${diagnostic.help}` : diagnostic.message,
          code: diagnostic.code,
          source: 'KQL',
        })),
      );
    };
    if (value.trim() === '') {
      show([]);
      return undefined;
    }
    if (failed.length > 0) show(failed);
    const abort = new AbortController();
    const timer = setTimeout(() => {
      request<{ diagnostics: Diagnostic[] }>('/api/v1/query/check', { method: 'POST', body: { query: value }, signal: abort.signal })
        .then(({ diagnostics }) => show(diagnostics.length === 0 ? failed : diagnostics))
        .catch(() => undefined);
    }, CHECK_AFTER);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [setup, id, value, failed]);

  useImperativeHandle(ref, () => ({
    selection() {
      const model = editor.current?.getModel();
      const selected = editor.current?.getSelection();
      if (!model || !selected || selected.isEmpty()) return null;
      const text = model.getValueInRange(selected);
      return text.trim() === '' ? null : { text, line: selected.startLineNumber, column: selected.startColumn };
    },
    insert(text) {
      const at = editor.current?.getSelection();
      if (!editor.current || !at) {
        latest.current.onChange(value + text);
        return;
      }
      editor.current.executeEdits('insert', [{ range: at, text, forceMoveMarkers: true }]);
      editor.current.focus();
    },
    reveal(diagnostic) {
      const model = editor.current?.getModel();
      if (!editor.current || !model) return;
      const range = toRange(model.getValue(), diagnostic.start, diagnostic.end);
      editor.current.setSelection(range);
      editor.current.revealRangeInCenterIfOutsideViewport(range);
      editor.current.focus();
    },
    applyFix(diagnostic) {
      const model = editor.current?.getModel();
      if (!editor.current || !model || !diagnostic.fix) return;
      const range = toRange(model.getValue(), diagnostic.fix.start, diagnostic.fix.end, false);
      editor.current.executeEdits('fix', [{ range, text: diagnostic.fix.text }]);
      editor.current.pushUndoStop();
      editor.current.focus();
    },
    focus() {
      editor.current?.focus();
    },
  }));

  if (broken) {
    // Without the editor a query can still be written and run.
    return (
      <div className="editor">
        <textarea
          className="textarea kql host"
          style={{ width: '100%', height: '100%', border: 0, borderRadius: 0 }}
          aria-label="Query"
          value={value}
          onChange={(event) => onChange(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.shiftKey || event.ctrlKey)) {
              event.preventDefault();
              onRun();
            }
          }}
        />
      </div>
    );
  }
  return (
    <div className="editor">
      <div className="host" ref={host} />
      {setup === null && <div className="loading">{value || 'Loading the editor…'}</div>}
    </div>
  );
}
