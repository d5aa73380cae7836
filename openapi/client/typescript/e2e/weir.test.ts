// Against a server that runs (WEIR_SERVER), as integration/typescript_test.go starts one.
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";

import { createWeir, WeirProblem, type Plan, type ProblemCode, type Run, type Weir } from "../src/index.js";

const server = process.env.WEIR_SERVER;
assert.ok(server, "WEIR_SERVER says which server");
const weir = createWeir({ server });

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
  for (;;) {
    const now = await weir.run(run);
    if (now.finished_at !== null) return now;
    await wait(20);
  }
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

test("a run is cancelled", async () => {
  const run = await weir.submit(long);
  const asked = await weir.cancel(run.id, { reason: "only a test" });
  assert.notEqual(asked.cancel_requested_at, null);
  assert.equal((await ends(run.id)).state, "cancelled");
});

/** Lets a client send what it would not. */
function sending(change: (request: Request) => Request | Promise<Request>): Weir {
  return createWeir({ server, backoff: 1, fetch: async (request) => fetch(await change(request)) });
}

const nobody = "0198a8a0-0000-7000-8000-000000000000";
const provoked: Partial<Record<ProblemCode, () => Promise<unknown>>> = {
  not_found: () => weir.run(nobody),
  invalid_request: () => weir.get("/v1/runs", { params: { query: { limit: 0 } } }),
  plan_invalid: () => weir.submit({ name: "p", steps: [{ key: "a", kind: "nobody-knows" }] }),
  method_not_allowed: () => sending((r) => new Request(r, { method: "PUT" })).run(nobody),
  unsupported_media_type: () => sending((r) => new Request(r, { headers: { "Content-Type": "text/plain" } })).submit(long),
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
