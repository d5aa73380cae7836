import createClient, { type MaybeOptionalInit } from "openapi-fetch";
import type { HttpMethod, PathsWithMethod, RequiredKeysOf, SuccessResponse } from "openapi-typescript-helpers";

import { followRun, type FollowOptions, type RunEvent } from "./follow.js";
import { keyed, newKey } from "./keyed.js";
import { Retry, type RetryOptions } from "./retry.js";
import type { NamedRun, paths, Plan, Run } from "./schema.js";

export type { FollowOptions, Gap, RunEvent } from "./follow.js";
export { WeirProblem, WeirTransportError, WeirUnexpectedError } from "./problem.js";
export { retryable, type RetryOptions } from "./retry.js";
export type * from "./schema.js";

export interface WeirOptions extends RetryOptions {
  /** Where the server answers; default http://127.0.0.1:8080. */
  server?: string;
  /** What `weir token create` printed; default none. */
  token?: string;
  /** Makes the requests; default globalThis.fetch. */
  fetch?: (request: Request) => Promise<Response>;
}

/** Makes the calls of one method: it gives the body of the answer, or throws what is wrong. */
export type Call<Method extends HttpMethod> = <Path extends PathsWithMethod<paths, Method>, Init extends MaybeOptionalInit<paths[Path], Method>>(
  path: Path,
  ...init: RequiredKeysOf<Init> extends never ? [init?: Init] : [init: Init]
) => Promise<Answer<paths[Path][Method]>>;

/** The body of the answer to a call that works. */
export type Answer<Operation> = Operation extends { responses: infer Responses extends Record<string | number, unknown> } ? SuccessResponse<Responses> : never;

/** Calls the API of Weir. Every call throws WeirProblem, WeirTransportError or WeirUnexpectedError when it does not work. */
export interface Weir {
  /** Every GET of the API: `weir.get("/v1/runs/{run}", { params: { path: { run } } })`. */
  get: Call<"get">;
  /** Every POST of the API. Those that take an Idempotency-Key get one, unless the call brings its own. */
  post: Call<"post">;
  /** Every PUT of the API. */
  put: Call<"put">;
  /** Every DELETE of the API. */
  delete: Call<"delete">;
  /** Submits a plan, or a named plan. */
  submit(plan: Plan | NamedRun, options?: { idempotencyKey?: string; signal?: AbortSignal }): Promise<Run>;
  /** Reads a run. */
  run(run: string, options?: { signal?: AbortSignal }): Promise<Run>;
  /** Asks for the end of a run. The answer says what it is now: it ends later. */
  cancel(run: string, options?: { reason?: string; signal?: AbortSignal }): Promise<Run>;
  /** Follows a run to its end: what happens to it and its steps, and what they write. */
  follow(run: string, options?: FollowOptions): AsyncGenerator<RunEvent, void, undefined>;
}

/** Prepares calls; it makes none. */
export function createWeir(options: WeirOptions = {}): Weir {
  const server = (options.server ?? "http://127.0.0.1:8080").replace(/\/+$/, "");
  const fetch = options.fetch ?? ((request: Request) => globalThis.fetch(request));
  const retry = new Retry(options);
  const authorization: Record<string, string> = options.token ? { Authorization: `Bearer ${options.token}` } : {};
  const client = createClient<paths>({
    baseUrl: server,
    headers: { Accept: "application/json", ...authorization },
    fetch: (request) => retry.request(fetch, request),
  });
  client.use({
    onRequest({ request, schemaPath }) {
      if (keyed(request.method, schemaPath) && !request.headers.has("Idempotency-Key")) {
        request.headers.set("Idempotency-Key", newKey());
      }
    },
  });

  // What is not 2xx was thrown by then, so that there is always data; the types of openapi-fetch do not know that.
  const call = (method: "GET" | "POST" | "PUT" | "DELETE") => {
    const make = client[method] as (path: string, init?: object) => Promise<{ data?: unknown }>;
    return async (path: string, init?: object) => (await make(path, init)).data as never;
  };
  const weir: Weir = {
    get: call("GET"),
    post: call("POST"),
    put: call("PUT"),
    delete: call("DELETE"),
    submit: (plan, { idempotencyKey, signal } = {}) =>
      weir.post("/v1/runs", { body: plan, params: { header: idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey } }, signal }),
    run: (run, { signal } = {}) => weir.get("/v1/runs/{run}", { params: { path: { run } }, signal }),
    cancel: (run, { reason, signal } = {}) =>
      weir.post("/v1/runs/{run}/cancel", { params: { path: { run } }, body: reason === undefined ? {} : { reason }, signal }),
    follow: (run, follow = {}) =>
      followRun(
        (lastEventId, signal) => {
          const headers = { Accept: "text/event-stream", ...authorization, ...(lastEventId === "" ? {} : { "Last-Event-ID": lastEventId }) };
          return retry.request(fetch, new Request(`${server}/v1/runs/${encodeURIComponent(run)}/events`, { headers, signal }));
        },
        retry,
        follow,
      ),
  };
  return weir;
}
