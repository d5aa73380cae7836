import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { TestContext } from "node:test";

import { createWeir, type Problem, type ProblemCode, type Run, type Weir } from "../src/index.js";

export type Handler = (request: IncomingMessage & { body: string }, response: ServerResponse) => void;

/** A server that answers the first request by the first handler and so on, and every further one by the last. */
export async function fake(t: TestContext, ...handlers: Handler[]): Promise<{ weir: Weir; requests: (IncomingMessage & { body: string })[]; server: string }> {
  const requests: (IncomingMessage & { body: string })[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      const whole = Object.assign(request, { body });
      requests.push(whole);
      handlers[Math.min(requests.length, handlers.length) - 1]?.(whole, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const url = `http://127.0.0.1:${address.port}`;
  return { weir: createWeir({ server: url, token: "secret", backoff: 1 }), requests, server: url };
}

/** Answers with JSON. */
export function says(status: number, body: unknown, headers: Record<string, string> = {}): Handler {
  return (_, response) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
}

/** Answers with a problem. */
export function fails(status: number, code: ProblemCode, more: Partial<Problem> = {}, headers: Record<string, string> = {}): Handler {
  return says(status, problem(status, code, more), { "Content-Type": "application/problem+json", ...headers });
}

/** Breaks the connection. */
export const breaks: Handler = (request) => request.socket.destroy();

/** Answers with a stream of events, and ends it. */
export function streams(...events: string[]): Handler {
  return (_, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    for (const event of events) response.write(event);
    response.end();
  };
}

export function problem(status: number, code: ProblemCode, more: Partial<Problem> = {}): Problem {
  return {
    type: `urn:weir:problem:${code}`, title: "What it is", status, detail: `it is ${code}`, code,
    retryable: [429, 503, 504].includes(status), request_id: "r1", errors: [], allowed: null, current: null, ...more,
  };
}

export const id = "0198a8a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b";

export const run: Pick<Run, "id" | "name" | "state"> = { id, name: "p", state: "succeeded" };
