import { WeirUnexpectedError } from "./problem.js";
import { Retry, retryable } from "./retry.js";
import type { Log, Run, Transition } from "./schema.js";
import { serverSentEvents, type ServerSentEvent } from "./sse.js";

/** What happens to a run. `id` is the last cursor that came: following again from it goes on without a gap. */
export type RunEvent =
  | { event: "transition"; id: string; data: Transition }
  | { event: "log"; id: string; data: Log }
  /** Lines of the log were left out: read them from GET /v1/runs/{run}/logs. */
  | { event: "gap"; id: string; data: Gap }
  /** The run is final. Nothing comes after it. */
  | { event: "end"; id: string; data: Run };

/** That lines of the log were left out. */
export interface Gap {
  run: string;
  reason: string;
}

export interface FollowOptions {
  /** The id of the last event that was seen; default: from the beginning of the run. */
  lastEventId?: string;
  /** Ends it: the iteration throws the signal's reason. */
  signal?: AbortSignal;
}

/** How long a stream may be silent, in milliseconds: three of the comments that the server writes. */
const silence = 45_000;

/**
 * Follows a run to its end. The first connection is tried as every call is. One that is lost later is made again, for as
 * long as it takes, from the last event on.
 */
export async function* followRun(open: (lastEventId: string, signal: AbortSignal) => Promise<Response>, retry: Retry, options: FollowOptions): AsyncGenerator<RunEvent, void, undefined> {
  let last = options.lastEventId ?? "";
  let connected = false;
  for (let lost = 1; ; lost++) {
    const stop = new AbortController();
    const aborted = () => stop.abort(options.signal?.reason);
    options.signal?.throwIfAborted();
    options.signal?.addEventListener("abort", aborted, { once: true });
    try {
      const response = await open(last, stop.signal);
      if (response.body === null || !response.headers.get("Content-Type")?.startsWith("text/event-stream")) throw new WeirUnexpectedError(response.status);
      connected = true;
      for await (const sent of events(response.body)) {
        last = sent.id || last;
        lost = 0;
        const event = runEvent(sent, last);
        if (event === null) continue;
        yield event;
        if (event.event === "end") return;
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof Lost) && !(connected && retryable(error))) throw error;
    } finally {
      options.signal?.removeEventListener("abort", aborted);
      stop.abort();
    }
    await retry.wait(retry.backoff(Math.min(Math.max(lost, 1), 16)), options.signal);
  }
}

/** That a stream broke. */
class Lost extends Error {}

async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent, void, undefined> {
  const stream = serverSentEvents(body, silence);
  try {
    for (;;) {
      const next = await stream.next().catch((cause: unknown) => {
        throw new Lost("the connection broke", { cause });
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await stream.return();
  }
}

/** Reads an event; null: of a kind that a later version of the server has. */
function runEvent(sent: ServerSentEvent, id: string): RunEvent | null {
  switch (sent.event) {
    case "transition":
    case "log":
    case "gap":
    case "end":
      return { event: sent.event, id, data: JSON.parse(sent.data) };
    default:
      return null;
  }
}
