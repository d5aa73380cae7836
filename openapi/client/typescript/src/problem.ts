import type { Problem, ProblemCode, ProblemCurrent, ProblemError } from "./schema.js";

/** What the server says is wrong (application/problem+json). `code` is one of a closed list. */
export class WeirProblem extends Error {
  override readonly name = "WeirProblem";
  readonly code: ProblemCode;
  /** The HTTP status. */
  readonly status: number;
  /** What the code means, always the same for one code. */
  readonly title: string;
  /** Whether the same request may work later. */
  readonly retryable: boolean;
  /** Every single thing that is wrong, with its place in the request. */
  readonly errors: readonly ProblemError[];
  /** With illegal_transition: the states that it could go to. */
  readonly allowed: readonly string[] | null;
  /** With illegal_transition: what it is now, and who brought it there. */
  readonly current: ProblemCurrent | null;
  /** Stands in the log of the server too. */
  readonly requestId: string;

  constructor(problem: Problem) {
    super([problem.detail, ...problem.errors.map((e) => `  ${e.location}: ${e.message}`)].join("\n"));
    this.code = problem.code;
    this.status = problem.status;
    this.title = problem.title;
    this.retryable = problem.retryable;
    this.errors = problem.errors;
    this.allowed = problem.allowed;
    this.current = problem.current;
    this.requestId = problem.request_id;
  }
}

/** Nobody answered, or the connection broke. `cause` says why. */
export class WeirTransportError extends Error {
  override readonly name = "WeirTransportError";
}

/** An answer that is not Weir's: of a proxy, or of something else at this address. */
export class WeirUnexpectedError extends Error {
  override readonly name = "WeirUnexpectedError";
  constructor(readonly status: number) {
    super(`the answer, with status ${status}, is not one of Weir's`);
  }
}

/** What an answer other than 2xx means. */
export async function errorOf(response: Response): Promise<WeirProblem | WeirUnexpectedError> {
  const type = response.headers.get("Content-Type") ?? "";
  const text = await response.text().catch(() => "");
  if (type.startsWith("application/problem+json")) {
    try {
      const problem: unknown = JSON.parse(text);
      if (isProblem(problem)) return new WeirProblem(problem);
    } catch {
      // not JSON: not Weir's
    }
  }
  return new WeirUnexpectedError(response.status);
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "code" in value && typeof value.code === "string" && "errors" in value && Array.isArray(value.errors);
}
