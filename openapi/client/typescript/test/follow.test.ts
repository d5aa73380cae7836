import assert from "node:assert/strict";
import { test } from "node:test";

import { WeirProblem, type RunEvent } from "../src/index.js";
import { serverSentEvents } from "../src/sse.js";
import { breaks, fails, fake, id, run, says, streams } from "./fake.js";

const transition = (cursor: string) => `id: ${cursor}\nevent: transition\ndata: {"id": "${cursor}", "to": "running"}\n\n`;
const end = `event: end\ndata: ${JSON.stringify(run)}\n\n`;

async function all(events: AsyncIterable<RunEvent>): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of events) seen.push(`${event.event} ${event.id}`);
  return seen;
}

test("a run is followed to its end, over connections that break", async (t) => {
  const { weir, requests } = await fake(
    t,
    fails(503, "overloaded"),
    streams(": hello\n\n", transition("t1"), "event: log\ndata: {\"text\": \"x\"}\n\n", "event: transition\ndata: {\"half"),
    breaks,
    fails(503, "shutting_down"),
    (_, response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write(transition("t2"), () => response.destroy());
    },
    streams("event: gap\ndata: {\"run\": \"r\", \"reason\": \"slow\"}\n\n", "event: news\ndata: 1\n\n", end, transition("t3")),
  );
  assert.deepEqual(await all(weir.follow(id)), ["transition t1", "log t1", "transition t2", "gap t2", "end t2"]);
  assert.deepEqual(requests.map((r) => r.headers["last-event-id"]), [undefined, undefined, "t1", "t1", "t1", "t2"]);
  for (const request of requests) {
    assert.equal(request.url, `/v1/runs/${id}/events`);
    assert.equal(request.headers.authorization, "Bearer secret");
    assert.equal(request.headers.accept, "text/event-stream");
  }
});

test("following goes on from an event, and ends with a problem", async (t) => {
  const { weir, requests } = await fake(t, streams(transition("t8")), fails(401, "unauthenticated"));
  await assert.rejects(all(weir.follow(id, { lastEventId: "t7" })), (error) => error instanceof WeirProblem && error.code === "unauthenticated");
  assert.deepEqual(requests.map((r) => r.headers["last-event-id"]), ["t7", "t8"]);
  const other = await fake(t, says(200, {}));
  await assert.rejects(all(other.weir.follow(id)), /not one of Weir's/);
  assert.equal(other.requests.length, 1);
});

test("a signal and a break end the connection", async (t) => {
  for (const how of ["signal", "break"]) {
    let closed: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => (closed = resolve));
    const { weir } = await fake(t, (_, response) => {
      response.on("close", closed);
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write(transition("t1"));
    });
    const stop = new AbortController();
    const following = (async () => {
      for await (const event of weir.follow(id, { signal: stop.signal })) {
        assert.equal(event.id, "t1");
        if (how === "break") break;
        stop.abort(new Error("enough"));
      }
    })();
    await (how === "break" ? following : assert.rejects(following, /enough/));
    await gone;
  }
});

test("events are read however they are cut", async () => {
  const text = "\u{feff}id: 1\r\nevent: log\r\ndata: ä\r\ndata:b\r\n\r\n: comment\ndata\n\nid: 2\rdata: c\r\rdata: half";
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size < bytes.length; size++) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        controller.close();
      },
    });
    const events = [];
    for await (const event of serverSentEvents(body, 1000)) events.push(event);
    assert.deepEqual(events, [
      { event: "log", data: "ä\nb", id: "1" }, { event: "message", data: "", id: "1" }, { event: "message", data: "c", id: "2" },
    ], `in pieces of ${size}`);
  }
});

test("a silent stream is given up", async () => {
  const silent = new ReadableStream<Uint8Array>();
  await assert.rejects(serverSentEvents(silent, 5).next(), /nothing came/);
});
