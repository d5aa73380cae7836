// Package lifecycle is the life of runs and steps: it alone decides what becomes of them.
//
//	              needs met             claimed                       reported
//	pending ───────────────▶ available ─────────▶ running ──────────────────────▶ succeeded
//	  │  │                       │                 │  ▲ │ │                        failed
//	  │  │ needs outside input   │ cancel          │  │ │ └── worker vanished ───▶ lost
//	  │  └──────────▶ waiting    ▼                 │  │ └──── over its timeout ──▶ timed_out
//	  │               │ ▲    cancelled             │  │       panicked / killed ─▶ crashed
//	  │ upstream      │ │ policy "pause"           │  │ claimed again
//	  ▼ failed        │ └──────────────────────────┤  │
//	skipped           ▼                            ▼  │
//	           any outcome, or retrying          retrying (due at run_after)
//
// # Who is authoritative for what
//
//   - PostgreSQL is the only authority. The guard triggers of schema weir refuse every transition that is not in
//     weir.legal_transitions, whoever asks for it; nothing in this package is trusted to have checked.
//   - Start and Finish are conditional writes on the current row, fenced by the dispatch token and by the attempt.
//     Zero rows is an answer with a name ([Result]), neither an error nor a success.
//   - Reconcile moves everything that is not somebody's own work: it settles finished steps, promotes or skips their
//     dependants, dispatches, expires and finalises. Rows of weir.dirty tell it where to look; NOTIFY only tells it
//     to look now; a trigger that arrives during a pass is served by the next turn of the loop.
//   - The gate, the sixteenth shard of weir.dirty, decides across all runs who gets the slots of limits, and which runs
//     are let in: one pass at a time, whichever replica makes it. What has no limit never meets it.
//   - Steps that no worker claims (waits, fan-outs, child runs) are begun and ended by reconcile, in their own row.
//   - Submits, Starts and Finishes of one process that come at the same time share a transaction (group commit).
//     A flush that fails is repeated or bisected, so that one bad item answers for itself alone.
//
// The clock is the database's. Nothing here reads the time of the machine to decide about a step.
package lifecycle
