import { errorOf, WeirProblem, WeirTransportError, WeirUnexpectedError } from "./problem.js";

/** How calls are repeated. */
export interface RetryOptions {
  /** How often a call is tried, the first time included; default 4. */
  attempts?: number;
  /** Milliseconds before the second try, then twice that and so on; default 200. */
  backoff?: number;
  /** The longest wait between two tries in milliseconds, also of a Retry-After; default 10,000. */
  maxBackoff?: number;
}

export class Retry {
  private readonly attempts: number;
  private readonly first: number;
  private readonly longest: number;

  constructor(options: RetryOptions = {}) {
    this.attempts = options.attempts ?? 4;
    this.first = options.backoff ?? 200;
    this.longest = options.maxBackoff ?? 10_000;
  }

  /**
   * Makes a request until it works, cannot work, or was tried often enough, and throws what is wrong with every answer but
   * 2xx. All calls of the API may be repeated: those that change something are idempotent, or have an Idempotency-Key.
   */
  async request(fetch: (request: Request) => Promise<Response>, request: Request): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      let failure: Error;
      let least = 0;
      try {
        const response = await fetch(attempt < this.attempts ? request.clone() : request);
        if (response.ok) return response;
        failure = await errorOf(response);
        least = this.retryAfter(response);
      } catch (cause) {
        if (request.signal.aborted) throw cause;
        failure = new WeirTransportError("the server cannot be reached, or the connection to it broke", { cause });
      }
      if (attempt >= this.attempts || !retryable(failure)) throw failure;
      await this.wait(Math.max(least, this.backoff(attempt)), request.signal);
    }
  }

  /** Waits for a time, or throws the reason of the signal when that comes first. */
  async wait(milliseconds: number, signal?: AbortSignal | null): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const aborted = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", aborted);
        resolve();
      }, milliseconds);
      signal?.addEventListener("abort", aborted, { once: true });
    });
  }

  /** How long to wait after that many tries: between half of it and the whole. */
  backoff(attempt: number): number {
    const wait = Math.min(this.first * 2 ** (attempt - 1), this.longest);
    return wait / 2 + (Math.random() * wait) / 2;
  }

  private retryAfter(response: Response): number {
    const seconds = Number(response.headers.get("Retry-After") ?? 0);
    return seconds > 0 ? Math.min(seconds * 1000, this.longest) : 0;
  }
}

/** Whether the same call may work later: nobody answered, or somebody who asks to come again. */
export function retryable(error: unknown): boolean {
  if (error instanceof WeirProblem) return error.retryable;
  if (error instanceof WeirUnexpectedError) return [502, 503, 504].includes(error.status);
  return error instanceof WeirTransportError;
}
