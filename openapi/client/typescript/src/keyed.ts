import type { paths } from "./schema.js";

type Keyed<Method extends "post" | "put"> = {
  [Path in keyof paths]: paths[Path] extends { [M in Method]: { parameters: { header?: infer Header } } }
    ? [NonNullable<Header>] extends [never]
      ? never
      : "Idempotency-Key" extends keyof NonNullable<Header>
        ? `${Uppercase<Method>} ${Path}`
        : never
    : never;
}[keyof paths];

/** The calls that take an Idempotency-Key. It does not compile unless they are exactly those of the document. */
const calls: Record<Keyed<"post"> | Keyed<"put">, true> = {
  "POST /v1/runs": true,
  "PUT /v1/runs/by-key/{key}": true,
  "POST /v1/runs/{run}/rerun": true,
  "POST /v1/runs:batch": true,
  "POST /v1/runs:cancel": true,
  "POST /v1/runs:pause": true,
  "POST /v1/runs:rerun": true,
  "POST /v1/runs:resume": true,
  "POST /v1/schedules/{schedule}/trigger": true,
};

/** Whether a call takes an Idempotency-Key. */
export function keyed(method: string, path: string): boolean {
  return Object.hasOwn(calls, `${method} ${path}`);
}

/** A key that nobody else has: 32 hexadecimal digits. Node 18 has no global crypto, nor has a page without TLS all of it. */
export function newKey(): string {
  const bytes = globalThis.crypto?.getRandomValues(new Uint8Array(16)) ?? Array.from({ length: 16 }, () => Math.floor(Math.random() * 256));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
