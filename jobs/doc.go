// Package jobs executes attempts: it is the part of a replica that does the work of steps.
//
//	River row ─▶ worker ─▶ Supervisor.Work ─▶ StepStart ─▶ handler under one context ─▶ Reporter ─▶ StepFinish
//	                            ▲                             │ logs, progress, processes, HTTP calls
//	          Heart ── Stops, Gone                            ▼ all of it ends with the context
//
// # Handlers
//
// A [Registry] maps kinds to handlers. [Handle] registers a typed one: the step's `with` is decoded strictly into In,
// what it returns becomes the step's output. [FromContext] gives a handler its attempt: run, step, logger, progress,
// the outputs of its needs and an idempotency key.
//
// # One context per attempt
//
// Everything that an attempt does hangs on one context. It ends at the deadline ([ErrDeadline]), after silence
// ([ErrStalled]), when somebody asks ([StopError]), when the replica shuts down ([ErrShutdown]) or when the database
// does not know the attempt any more ([ErrLost]); context.Cause says which. A handler has the step's grace to return
// after that; one that does not is abandoned: reported, counted, logged with its stack, and its slot is given back.
//
// # Reporting
//
// How an attempt ended is offered to the database until it is taken, refused for good, or older than anybody waits
// for. The outcome alone is kept for that, no slot and no handler. An outcome that is refused is offered again with
// less in it, so that a live worker never leaves a step to its lease.
package jobs
