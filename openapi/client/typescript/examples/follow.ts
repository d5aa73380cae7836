// Submits a plan and follows it to its end; submits another one and cancels it.
//
//   WEIR_SERVER=http://127.0.0.1:8080 node dist/examples/follow.js
import { createWeir, WeirProblem, type Plan } from "../src/index.js";

const weir = createWeir({ server: process.env.WEIR_SERVER, token: process.env.WEIR_TOKEN });

const hello: Plan = {
  name: "hello",
  input: { name: "world" },
  steps: [
    { key: "greet", kind: "noop", with: { output: "hello ${{ input.name }}" } },
    { key: "repeat", kind: "noop", needs: ["greet"], with: { output: "${{ needs.greet.output }}" } },
  ],
};

const run = await weir.submit(hello);
for await (const event of weir.follow(run.id)) {
  switch (event.event) {
    case "transition":
      console.log(`${event.data.step ?? "run"}: ${event.data.from ?? "new"} → ${event.data.to} (${event.data.cause})`);
      break;
    case "log":
      console.log(`${event.data.step}: ${event.data.text}`);
      break;
    case "gap":
      console.log(`lines are left out: ${event.data.reason}`);
      break;
    case "end":
      console.log(`${event.data.name} ${event.data.state}`);
  }
}
const repeat = await weir.get("/v1/runs/{run}/steps/{step}", { params: { path: { run: run.id, step: "repeat" } } });
console.log(repeat.output);

const long = await weir.submit({ name: "long", steps: [{ key: "sleep", kind: "sleep", with: { duration: "1h" } }] });
await weir.cancel(long.id, { reason: "it was only an example" });
for await (const event of weir.follow(long.id)) {
  if (event.event === "end") console.log(`${event.data.name} ${event.data.state}`);
}
try {
  await weir.cancel(long.id);
} catch (error) {
  if (!(error instanceof WeirProblem) || error.code !== "illegal_transition") throw error;
  console.log(`${error.message}: it is ${error.current?.state ?? "unknown"}`);
}
