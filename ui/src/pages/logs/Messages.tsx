import { CircleAlert, CircleX, Wrench } from 'lucide-react';
import { ApiError } from '../../api/client';
import type { Diagnostic } from '../../api/types';
import { isError, toRange } from '../../lib/diagnostics';
import { Markdown } from '../../lib/markdown';
import { ErrorNotice } from '../../components/ui';

/** What the server said against a query: each problem with its place, its help and its mend. */
export function Messages({ error, text, diagnostics, onReveal, onFix }: { error: unknown; text: string; diagnostics: Diagnostic[]; onReveal: (diagnostic: Diagnostic) => void; onFix: (diagnostic: Diagnostic) => void }) {
  if (diagnostics.length === 0) {
    return (
      <div className="messages">
        <ErrorNotice error={error} />
        {error instanceof ApiError && error.status === 504 && <p className="muted">Narrow the time range, filter early with where, or summarize before you sort.</p>}
      </div>
    );
  }
  const lines = text.split('\n');
  return (
    <div className="messages" role="alert">
      <h2>{diagnostics.filter(isError).length === 1 ? 'The query has a problem' : 'The query has problems'}</h2>
      {diagnostics.map((diagnostic, i) => {
        const range = toRange(text, diagnostic.start, diagnostic.end);
        const line = lines[range.startLineNumber - 1] ?? '';
        const end = range.endLineNumber === range.startLineNumber ? range.endColumn - 1 : line.length;
        return (
          <div key={i} className={`notice ${isError(diagnostic) ? 'error' : 'warning'}`}>
            {isError(diagnostic) ? <CircleX className="icon" /> : <CircleAlert className="icon" />}
            <div className="grow">
              <div className="row spread" style={{ alignItems: 'flex-start' }}>
                <Markdown text={diagnostic.message} />
                <button type="button" className="link message-place nowrap" onClick={() => onReveal(diagnostic)}>
                  line {diagnostic.start.line}, column {diagnostic.start.column}
                </button>
              </div>
              {diagnostic.help && <div className="muted"><Markdown text={diagnostic.help} /></div>}
              {line !== '' && (
                <pre className="caret">
                  {line.slice(0, range.startColumn - 1)}
                  <mark>{line.slice(range.startColumn - 1, end) || ' '}</mark>
                  {line.slice(end)}
                </pre>
              )}
              <div className="row" style={{ marginTop: 6 }}>
                <span className="faint mono">{diagnostic.code}</span>
                {diagnostic.fix && (
                  <button type="button" className="button small" onClick={() => onFix(diagnostic)}>
                    <Wrench className="icon small" /> Mend it
                  </button>
                )}
              </div>
            </div>
          </div>
        );
      })}
    </div>
  );
}
