// Against a server that runs, as integration/typescript_test.go starts one: WEIR_SERVER, and WEIR_LIMITED_SERVER that takes few
// calls a second; WEIR_TOKEN may do everything, WEIR_READER only read.
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { test } from "node:test";

import { createWeir, WeirProblem, type Plan, type ProblemCode, type Run, type Transition, type Weir } from "../src/index.js";

const server = process.env.WEIR_SERVER;
assert.ok(server, "WEIR_SERVER says which server");
const token = process.env.WEIR_TOKEN;
const weir = createWeir({ server, token });

const hello: Plan = {
  name: "hello",
  input: { name: "world" },
  labels: { made: "by TypeScript" },
  steps: [
    { key: "greet", kind: "noop", with: { output: "hello ${{ input.name }}" } },
    { key: "repeat", kind: "noop", needs: ["greet"], with: { output: "${{ needs.greet.output }}" } },
  ],
};
const long: Plan = { name: "long", steps: [{ key: "a", kind: "sleep", with: { duration: "1h" } }] };

async function ends(run: string): Promise<Run> {
  for await (const event of weir.follow(run)) {
    if (event.event === "end") return event.data;
  }
  throw new Error("it ended before the run");
}

test("a run is submitted and ends", async () => {
  const run = await weir.submit(hello, { idempotencyKey: "hello-1" });
  assert.equal((await weir.submit(hello, { idempotencyKey: "hello-1" })).id, run.id);
  assert.equal((await ends(run.id)).state, "succeeded");
  const step = await weir.get("/v1/runs/{run}/steps/{step}", { params: { path: { run: run.id, step: "repeat" } } });
  assert.equal(step.output, "hello world");
  const found = await weir.get("/v1/runs", { params: { query: { label: ["made:by TypeScript"], state: "succeeded", limit: 1 } } });
  assert.equal(found.items[0]?.id, run.id);
});

test("a run is followed, from the beginning and from an event on", async () => {
  const run = await weir.submit({ ...hello, steps: [{ key: "say", kind: "exec", with: { command: ["sh", "-c", "echo hello; echo world"] } }, ...long.steps.slice(1)] });
  const seen: Transition[] = [];
  const lines: string[] = [];
  for await (const event of weir.follow(run.id)) {
    if (event.event === "transition") {
      assert.equal(event.data.id, event.id);
      seen.push(event.data);
    }
    if (event.event === "log") lines.push(event.data.text);
    if (event.event === "end") assert.equal(event.data.state, "succeeded");
  }
  assert.deepEqual(lines, ["hello", "world"]);
  const history = await weir.get("/v1/runs/{run}/transitions", { params: { path: { run: run.id } } });
  assert.deepEqual(seen, history.items);
  const rest: Transition[] = [];
  const after = seen[1];
  assert.ok(after);
  for await (const event of weir.follow(run.id, { lastEventId: after.id })) {
    if (event.event === "transition") rest.push(event.data);
  }
  assert.deepEqual(rest, seen.slice(2));
});

test("a run is cancelled", async () => {
  const run = await weir.submit(long);
  const asked = await weir.cancel(run.id, { reason: "only a test" });
  assert.notEqual(asked.cancel_requested_at, null);
  assert.equal((await ends(run.id)).state, "cancelled");
});

/** Lets a client send what it would not. */
function sending(change: (request: Request) => Request | Promise<Request>): Weir {
  return createWeir({ server, token, backoff: 1, fetch: async (request) => fetch(await change(request)) });
}

const nobody = "0198a8a0-0000-7000-8000-000000000000";
const provoked: Partial<Record<ProblemCode, () => Promise<unknown>>> = {
  not_found: () => weir.run(nobody),
  invalid_request: () => weir.get("/v1/runs", { params: { query: { limit: 0 } } }),
  plan_invalid: () => weir.submit({ name: "p", steps: [{ key: "a", kind: "nobody-knows" }] }),
  method_not_allowed: () => sending((r) => new Request(r, { method: "PUT" })).run(nobody),
  unsupported_media_type: () => sending((r) => new Request(r, { headers: { ...Object.fromEntries(r.headers), "Content-Type": "text/plain" } })).submit(long),
  too_large: () => weir.submit({ ...long, description: "x".repeat(33 << 20) }),
  idempotency_conflict: async () => {
    await weir.submit(hello, { idempotencyKey: "twice" });
    await weir.submit({ ...hello, name: "other" }, { idempotencyKey: "twice" });
  },
  illegal_transition: async () => {
    const run = await weir.submit(hello);
    await ends(run.id);
    await weir.cancel(run.id);
  },
  cross_origin: () => sending((r) => new Request(r, { headers: { ...Object.fromEntries(r.headers), Origin: "https://elsewhere.example" } })).cancel(nobody),
  unauthenticated: () => createWeir({ server, token: "weir_" + "A".repeat(43) }).run(nobody),
  forbidden: () => createWeir({ server, token: process.env.WEIR_READER }).submit(long),
  rate_limited: async () => {
    const impatient = createWeir({ server: process.env.WEIR_LIMITED_SERVER, token, attempts: 1 });
    for (;;) await impatient.get("/v1/runs");
  },
  wrong_host: () => createWeir({ server, fetch: (request) => asHost("elsewhere.example", request) }).run(nobody),
};

/** Makes a GET that names another host, which fetch does not do. */
function asHost(host: string, request: Request): Promise<Response> {
  return new Promise((resolve, reject) => {
    httpRequest(request.url, { headers: { Host: host } }, (answer) => {
      let text = "";
      answer.on("data", (chunk) => (text += chunk));
      answer.on("end", () => resolve(new Response(text, { status: answer.statusCode ?? 0, headers: { "Content-Type": answer.headers["content-type"] ?? "" } })));
    }).on("error", reject).end();
  });
}

for (const [code, provoke] of Object.entries(provoked)) {
  test(`${code} is decoded`, async () => {
    await assert.rejects(provoke(), (error) => {
      assert.ok(error instanceof WeirProblem, String(error));
      assert.equal(error.code, code);
      assert.notEqual(error.requestId, "");
      if (code === "plan_invalid") assert.equal(error.errors[0]?.location, "body.steps[0].kind");
      if (code === "illegal_transition") assert.equal(error.current?.state, "succeeded");
      return true;
    });
  });
}
