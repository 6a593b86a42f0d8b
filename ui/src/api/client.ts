// The one way in which the portal speaks to the server.
import type { Diagnostic, QueryAnswer, Session } from './types';

/** An answer that says no, or no answer at all (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: unknown;
  readonly diagnostics: Diagnostic[];
  /** Seconds to wait before another attempt, when the server said so. */
  readonly retryAfter: number | null;

  constructor(
    status: number,
    code: string,
    message: string,
    more: { details?: unknown; diagnostics?: Diagnostic[]; retryAfter?: number | null } = {},
  ) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.details = more.details;
    this.diagnostics = more.diagnostics ?? [];
    this.retryAfter = more.retryAfter ?? null;
  }
}

let csrf: string | null = null;

/** Keeps the token that every change must carry. */
export function rememberSession(session: Session | null): void {
  csrf = session?.csrf ?? null;
}

let signedOut: () => void = () => undefined;

/** Called when the server no longer knows the session. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener;
}

interface Options {
  method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

export async function request<T>(path: string, options: Options = {}): Promise<T> {
  const answer = await send(path, options);
  if (answer.status === 204) return undefined as T;
  const text = await answer.text();
  return (text === '' ? undefined : parse(text, answer.status)) as T;
}

/** An answer that is a file. */
export async function requestFile(path: string, options: Options = {}): Promise<Blob> {
  const answer = await send(path, { ...options, headers: { Accept: '*/*', ...options.headers } });
  return answer.blob();
}

/** Gives answers that say yes; any other is an error. */
async function send(path: string, options: Options): Promise<Response> {
  const method = options.method ?? 'GET';
  const headers: Record<string, string> = { Accept: 'application/json', ...options.headers };
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET' && csrf !== null) headers['X-CSRF-Token'] = csrf;
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers,
      credentials: 'same-origin',
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError(0, 'Unreachable', 'The server does not answer. Check that Taffrail is running and that this machine reaches it.');
  }
  if (answer.ok) return answer;
  const error = toError(answer, await answer.text());
  // A wrong present password is a 401 too, and no reason to leave.
  if (answer.status === 401 && error.code !== 'WrongPassword' && !path.endsWith('/session')) signedOut();
  throw error;
}

function parse(text: string, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(status, 'BadAnswer', 'The server answered with something that is not JSON. A proxy between this browser and Taffrail may have answered instead.');
  }
}

function toError(answer: Response, text: string): ApiError {
  const retry = Number(answer.headers.get('Retry-After'));
  const retryAfter = Number.isFinite(retry) && retry > 0 ? retry : null;
  try {
    const { error } = JSON.parse(text) as {
      error: { code: string; message: string; details?: unknown; diagnostics?: Diagnostic[]; innererror?: { message?: string } };
    };
    const message = error.innererror?.message ?? error.message;
    return new ApiError(answer.status, error.code, message, {
      details: error.details,
      diagnostics: error.diagnostics,
      retryAfter,
    });
  } catch {
    const message =
      answer.status >= 500
        ? `The server failed with status ${answer.status}. Its log says why.`
        : `The server refused with status ${answer.status}.`;
    return new ApiError(answer.status, `Http${answer.status}`, message, { retryAfter });
  }
}

/** Runs a query through the protocol of Log Analytics, as every other client does. */
export function runQuery(
  query: string,
  timespan: string | undefined,
  signal: AbortSignal,
): Promise<QueryAnswer> {
  return request<QueryAnswer>('/v1/workspaces/taffrail/query', {
    method: 'POST',
    body: timespan === undefined ? { query } : { query, timespan },
    signal,
    headers: { Prefer: 'include-statistics=true, include-render=true, wait=60' },
  });
}
