/** One event of a stream of server-sent events. */
export interface ServerSentEvent {
  event: string;
  data: string;
  /** The last id that the stream gave, with this event or before it; "" until then. */
  id: string;
}

/** Reads a stream of server-sent events (HTML standard, 9.2). It ends when the stream does; a half event is dropped. */
export async function* serverSentEvents(body: ReadableStream<Uint8Array>, silence: number): AsyncGenerator<ServerSentEvent, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let event = "";
  let data: string[] = [];
  let id = "";
  try {
    for (;;) {
      const chunk = await within(reader.read(), silence);
      if (chunk.done) return;
      rest += decoder.decode(chunk.value, { stream: true });
      for (;;) {
        const end = /\r\n|\n|\r(?!$)/.exec(rest);
        if (end === null) break;
        const line = rest.slice(0, end.index);
        rest = rest.slice(end.index + end[0].length);
        if (line === "") {
          if (data.length > 0) yield { event: event || "message", data: data.join("\n"), id };
          event = "";
          data = [];
          continue;
        }
        const colon = line.indexOf(":");
        const name = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "event") event = value;
        else if (name === "data") data.push(value);
        else if (name === "id" && !value.includes("\0")) id = value;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Gives up a stream on which nothing comes for too long: the server writes a comment every 15 seconds. */
async function within<T>(read: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silent = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came for ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([read, silent]);
  } finally {
    clearTimeout(timer);
  }
}
