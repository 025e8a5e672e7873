// Requests to the gateway: typed, with the session's cookie, and with a problem for every refusal.
import type { Problem } from "../model/generated/api.gen.ts";

const TIMEOUT_MS = 20_000;

/** A refusal of the gateway, or the network's: `problem.detail` is for people. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface RequestOptions {
  readonly query?: Query;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Methods answer the body as JSON, and throw ProblemError. */
export interface Api {
  get<T>(path: string, query?: Query): Promise<T>;
  post<T>(path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<T>;
  put<T>(path: string, body: unknown): Promise<T>;
  delete(path: string): Promise<void>;
  /** For answers that are no JSON: diffs, artifacts, uploads. */
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
}

/** `onSignedOut` is called when the gateway no longer knows the session, also after renewing it. */
export function createApi(onSignedOut: () => void): Api {
  async function request(method: string, path: string, options: RequestOptions = {}) {
    let response = await send(method, path, options);
    if (response.status === 401 && (await renew())) response = await send(method, path, options);
    if (response.ok) return response;
    if (response.status === 401) onSignedOut();
    throw new ProblemError(await problemOf(response));
  }
  async function json<T>(method: string, path: string, options: RequestOptions): Promise<T> {
    const response = await request(method, path, options);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }
  return {
    request,
    get: (path, query = {}) => json("GET", path, { query }),
    post: (path, body, headers = {}) => json("POST", path, { body, headers }),
    put: (path, body) => json("PUT", path, { body }),
    delete: (path) => json("DELETE", path, {}),
  };
}

/**
 * Renew the session, whose cookie lasts minutes; one at a time in all windows and the service worker.
 * False: the session has ended. Throws ProblemError when the gateway cannot say.
 */
export async function renew(): Promise<boolean> {
  const response = await navigator.locks.request("errand-session", () =>
    send("POST", "/v1/sessions/refresh", {}),
  );
  if (response.ok) return true;
  if (response.status === 401) return false;
  throw new ProblemError(await problemOf(response));
}

async function send(method: string, path: string, options: RequestOptions): Promise<Response> {
  const timeout = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
  const isRaw = options.body instanceof Blob;
  const hasBody = options.body !== undefined;
  const init: RequestInit = {
    method,
    credentials: "same-origin",
    cache: "no-store",
    signal: options.signal ? AbortSignal.any([timeout, options.signal]) : timeout,
    headers: {
      ...(hasBody && !isRaw ? { "Content-Type": "application/json" } : {}),
      ...options.headers,
    },
  };
  if (hasBody) init.body = isRaw ? (options.body as Blob) : JSON.stringify(options.body);
  try {
    return await fetch(path + queryString(options.query), init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ProblemError(networkProblem(timeout.aborted));
  }
}

function queryString(query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text === "" ? "" : `?${text}`;
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body: unknown = await response.json();
    if (isProblem(body)) return body;
  } catch {
    // not from the gateway: a proxy in between
  }
  return makeProblem(response.status, "unexpected_answer", {
    detail: `The server answered with ${response.status}. Try again in a moment.`,
    retryable: response.status >= 500 || response.status === 429,
  });
}

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "detail" in body && "code" in body;
}

function networkProblem(isTimeout: boolean): Problem {
  const detail = isTimeout
    ? "The gateway did not answer in time. Try again."
    : "The gateway cannot be reached. Check the connection and try again.";
  return makeProblem(0, isTimeout ? "timeout" : "unreachable", { detail, retryable: true });
}

/** A problem that arose on this device. */
export function makeProblem(
  status: number,
  code: string,
  more: { readonly detail: string; readonly retryable: boolean },
): Problem {
  return { type: "about:blank", title: code, status, code, errors: [], request_id: "", ...more };
}

/** What went wrong, in a sentence for the person. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
