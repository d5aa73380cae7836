import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { createWeir, WeirProblem, WeirTransportError, WeirUnexpectedError, type ProblemCode } from "../src/index.js";
import { breaks, fails, fake, id, run, says } from "./fake.js";

/** Every code with its status. It does not compile unless the codes are exactly those of the document. */
const codes: Record<ProblemCode, number> = {
  invalid_request: 400, unauthenticated: 401, forbidden: 403, cross_origin: 403, not_found: 404, method_not_allowed: 405,
  illegal_transition: 409, idempotency_conflict: 409, worker_gone: 409, protocol_unsupported: 409, too_large: 413,
  unsupported_media_type: 415, wrong_host: 421, plan_invalid: 422, report_rejected: 422, rate_limited: 429, internal: 500,
  database_unavailable: 503, overloaded: 503, shutting_down: 503, timed_out: 504,
};

test("every problem code becomes a WeirProblem", async (t) => {
  const document = readFileSync(new URL("../../../../openapi.yaml", import.meta.url), "utf8");
  const listed = /\n    ProblemCode:\n(?: {6}.*\n)*? {6}enum:\n((?: {8}- .*\n)+)/.exec(document)?.[1]?.match(/[a-z_]{2,}/g);
  assert.deepEqual(listed?.sort(), Object.keys(codes).sort());
  for (const [code, status] of Object.entries(codes)) {
    const known = Object.keys(codes).find((c): c is ProblemCode => c === code);
    assert.ok(known);
    const { weir } = await fake(t, fails(status, known, {
      errors: [{ location: "body.steps[0].kind", code: "unknown_kind", message: "nobody knows it", detail: null }],
      allowed: ["running"], current: { state: "succeeded", attempt: 1, actor: "local", at: "2026-05-04T00:00:00Z" },
    }));
    await assert.rejects(weir.run(id), (error) => {
      assert.ok(error instanceof WeirProblem);
      assert.equal(error.code, code);
      assert.equal(error.status, status);
      assert.equal(error.retryable, [429, 503, 504].includes(status));
      assert.equal(error.requestId, "r1");
      assert.equal(error.title, "What it is");
      assert.equal(error.errors[0]?.code, "unknown_kind");
      assert.deepEqual(error.allowed, ["running"]);
      assert.equal(error.current?.state, "succeeded");
      assert.equal(error.message, `it is ${code}\n  body.steps[0].kind: nobody knows it`);
      return true;
    });
  }
});

test("what is retryable is tried again, with the same Idempotency-Key and body", async (t) => {
  const { weir, requests } = await fake(t, fails(503, "database_unavailable"), breaks, fails(429, "rate_limited"), says(201, run));
  assert.equal((await weir.submit({ name: "p", steps: [{ key: "a", kind: "noop" }] })).id, id);
  assert.equal(requests.length, 4);
  for (const request of requests) {
    assert.equal(request.headers.authorization, "Bearer secret");
    assert.equal(request.headers["content-type"], "application/json");
    assert.match(String(request.headers["idempotency-key"]), /^[0-9a-f]{32}$/);
    assert.equal(request.headers["idempotency-key"], requests[0]?.headers["idempotency-key"]);
    assert.deepEqual(JSON.parse(request.body), { name: "p", steps: [{ key: "a", kind: "noop" }] });
  }
});

test("Retry-After is waited for, within bounds", async (t) => {
  const { server, requests } = await fake(t, fails(503, "overloaded", {}, { "Retry-After": "3600" }), says(200, run));
  const began = performance.now();
  await createWeir({ server, backoff: 1, maxBackoff: 60 }).run(id);
  assert.ok(performance.now() - began >= 55);
  assert.equal(requests.length, 2);
});

test("only calls that take an Idempotency-Key get one, and their own comes first", async (t) => {
  const { weir, requests } = await fake(t, says(200, run));
  await weir.run(id);
  await weir.cancel(id, { reason: "enough" });
  await weir.post("/v1/runs/{run}/rerun", { params: { path: { run: id } }, body: {} });
  await weir.post("/v1/runs:cancel", { body: { all: true } });
  await weir.submit({ plan: "named" }, { idempotencyKey: "mine" });
  assert.deepEqual(requests.map((r) => r.headers["idempotency-key"] !== undefined), [false, false, true, true, true]);
  assert.equal(requests[4]?.headers["idempotency-key"], "mine");
  assert.equal(requests[3]?.url, "/v1/runs:cancel");
  assert.equal(requests[1]?.body, `{"reason":"enough"}`);
});

test("what is not retryable is not tried again, and tries end", async (t) => {
  const conflict = await fake(t, fails(409, "illegal_transition"));
  await assert.rejects(conflict.weir.cancel(id), WeirProblem);
  assert.equal(conflict.requests.length, 1);
  const down = await fake(t, fails(503, "shutting_down"));
  await assert.rejects(down.weir.cancel(id), WeirProblem);
  assert.equal(down.requests.length, 4);
  const broken = await fake(t, breaks);
  await assert.rejects(broken.weir.cancel(id), WeirTransportError);
  assert.equal(broken.requests.length, 4);
});

test("answers of others are told apart", async (t) => {
  for (const [status, tries] of [[404, 1], [500, 1], [502, 4]] as const) {
    const { weir, requests } = await fake(t, says(status, "<html>", { "Content-Type": "text/html" }));
    await assert.rejects(weir.run(id), (error) => error instanceof WeirUnexpectedError && error.status === status);
    assert.equal(requests.length, tries);
  }
});

test("a signal ends a call, also between two tries", async (t) => {
  const stop = new AbortController();
  const { server } = await fake(t, (request, response) => {
    fails(503, "overloaded")(request, response);
    setImmediate(() => stop.abort(new Error("enough")));
  });
  await assert.rejects(createWeir({ server, backoff: 60_000, maxBackoff: 60_000 }).run(id, { signal: stop.signal }), /enough/);
});

test("types are those of the document", async (t) => {
  const { weir } = await fake(t, says(200, run));
  // @ts-expect-error there is no such path
  await weir.get("/v1/nothing");
  // @ts-expect-error a run is asked for
  await weir.get("/v1/runs/{run}").catch(() => undefined);
  // @ts-expect-error a plan has steps
  await weir.submit({ name: "p" });
  const answer = await weir.get("/v1/runs/{run}", { params: { path: { run: id } } });
  // @ts-expect-error a run has no such field
  assert.equal(answer.nothing, undefined);
});
