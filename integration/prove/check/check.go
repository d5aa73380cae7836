//go:build linux

package check

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Violation is a promise that was broken.
type Violation struct {
	Rule string    // the name of the rule
	Run  uuid.UUID // Nil: of no run
	Step string    // the step's key; empty: of no step
	What string    // what is there, and what should be
}

func (v Violation) String() string {
	where := ""
	if v.Run != uuid.Nil {
		where = " run " + v.Run.String()
	}
	if v.Step != "" {
		where += " step " + v.Step
	}
	return v.Rule + ":" + where + ": " + v.What
}

// Report is the verdict, and what it is about.
type Report struct {
	Violations  []Violation // at most 20 of a rule
	Runs        int
	Steps       int
	Executions  int // that the ledger has
	LateReports int
	Transitions int
	Repairs     int            // transitions by what interfered with River's tables, or repaired
	Ended       map[string]int // attempts that their worker did not end, by cause
	Retried     map[string]int // attempts that were tried again, by cause
	Broken      map[string]int // violations by rule, all of them
}

const (
	violationsMost = 20 // of a rule, in a Report
	calmWithin     = 30 * time.Second
	calmEvery      = 200 * time.Millisecond
)

// rule is one promise. check says what breaks it.
type rule struct {
	name  string
	check func(h *history, say sayer)
}

// sayer notes what breaks a rule.
type sayer func(at place, format string, args ...any)

// rules are all there are, in the order in which a Report tells them: what was lost first, and what does not add up last.
func rules() []rule {
	return []rule{
		{"acked-run-missing", ackedRunMissing},
		{"acked-run-not-final", ackedRunNotFinal},
		{"ack-names-another-run", ackNamesAnotherRun},
		{"key-was-acked-with-two-runs", keyWasAckedWithTwoRuns},
		{"run-exists-twice", runExistsTwice},
		{"run-was-not-asked-for", runWasNotAskedFor},
		{"seen-transition-missing", seenTransitionMissing},
		{"final-row-missing", finalRowMissing},
		{"final-row-changed", finalRowChanged},

		{"legal-transitions-differ", legalTransitionsDiffer},
		{"born-illegally", bornIllegally},
		{"transition-illegal", transitionIllegal},
		{"history-has-a-gap", historyHasAGap},
		{"history-of-nothing", historyOfNothing},
		{"attempt-does-not-grow-by-one", attemptDoesNotGrowByOne},
		{"actor-unknown", actorUnknown},
		{"cause-unknown", causeUnknown},
		{"retry-unexplained", retryUnexplained},
		{"state-differs-from-history", stateDiffersFromHistory},
		{"cause-differs-from-history", causeDiffersFromHistory},
		{"attempt-differs-from-history", attemptDiffersFromHistory},
		{"failures-differ-from-history", failuresDifferFromHistory},
		{"finished-at-without-an-end", finishedAtWithoutAnEnd},

		{"step-went-before-its-needs", stepWentBeforeItsNeeds},
		{"step-ran-wrongly", stepRanWrongly},
		{"step-skipped-wrongly", stepSkippedWrongly},
		{"step-cancelled-unasked", stepCancelledUnasked},
		{"run-ended-before-its-steps", runEndedBeforeItsSteps},
		{"run-ended-wrongly", runEndedWrongly},
		{"fan-out-ended-wrongly", fanOutEndedWrongly},
		{"child-run-ended-differently", childRunEndedDifferently},

		{"execution-without-claim", executionWithoutClaim},
		{"attempt-executed-twice", attemptExecutedTwice},
		{"executions-overlap", executionsOverlap},
		{"execution-began-before-its-needs-ended", executionBeganBeforeItsNeedsEnded},
		{"reported-before-it-ended", reportedBeforeItEnded},
		{"outcome-differs-from-execution", outcomeDiffersFromExecution},
		{"success-without-execution", successWithoutExecution},

		{"limit-exceeded", limitExceeded},
		{"limit-exceeded-by-executions", limitExceededByExecutions},
		{"max-parallel-exceeded-by-executions", maxParallelExceededByExecutions},

		{"late-report-missing", lateReportMissing},
		{"late-report-not-late", lateReportNotLate},
		{"late-reports-over-ten", lateReportsOverTen},

		{"run-counts-wrong", runCountsWrong},
		{"needs-counts-wrong", needsCountsWrong},
		{"dependants-count-wrong", dependantsCountWrong},
		{"fan-out-counts-wrong", fanOutCountsWrong},
		{"limit-counts-wrong", limitCountsWrong},
		{"slot-left-behind", slotLeftBehind},
		{"token-left-behind", tokenLeftBehind},
		{"river-job-left-behind", riverJobLeftBehind},
		{"hint-left-behind", hintLeftBehind},
		{"hint-missing", hintMissing},
		{"run-in-quarantine", runInQuarantine},
		{"invariant-broken", invariantBroken},
	}
}

// Check says whether a cluster kept its promises. The database is read in one snapshot, after what reconcile has left to
// do is done, if anybody lives to do it; everything that was acknowledged is expected to have ended. The error is that
// of reading it.
func Check(ctx context.Context, pool *pgxpool.Pool, e Evidence) (Report, error) {
	if err := calm(ctx, pool); err != nil {
		return Report{}, err
	}
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return Report{}, fmt.Errorf("read the tables: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	return checkIn(ctx, tx, e)
}

// SoFar says whether a cluster that still works has broken a promise already. It leaves out the rules that hold only
// once everything has ended, and does not wait. The evidence has to be older than the call.
func SoFar(ctx context.Context, pool *pgxpool.Pool, e Evidence) (Report, error) {
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return Report{}, fmt.Errorf("read the tables: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	h, err := read(ctx, tx, e)
	if err != nil {
		return Report{}, err
	}
	return judge(h, slices.DeleteFunc(rules(), func(r rule) bool { return onlyAtTheEnd(r.name) })), nil
}

// onlyAtTheEnd are the rules that a cluster which works may seem to break: what it is about to do it has not done yet, and
// evidence that is older than the tables does not have what happened in between.
func onlyAtTheEnd(name string) bool {
	switch name {
	case "acked-run-not-final", "run-was-not-asked-for", "success-without-execution", "fan-out-counts-wrong", "limit-counts-wrong",
		"slot-left-behind", "token-left-behind", "river-job-left-behind", "hint-left-behind", "run-in-quarantine", "invariant-broken":
		return true
	}
	return false
}

// checkIn is Check in a transaction, without waiting.
func checkIn(ctx context.Context, tx pgx.Tx, e Evidence) (Report, error) {
	h, err := read(ctx, tx, e)
	if err != nil {
		return Report{}, err
	}
	return judge(h, rules()), nil
}

func read(ctx context.Context, tx pgx.Tx, e Evidence) (*history, error) {
	var t tables
	if err := t.read(ctx, tx, len(e.Snapshots) > 0); err != nil {
		return nil, err
	}
	return newHistory(e, t), nil
}

// judge applies rules.
func judge(h *history, rules []rule) Report {
	rep := Report{
		Runs: len(h.runs), Steps: len(h.steps), LateReports: len(h.late), Transitions: len(h.transitions),
		Ended: map[string]int{}, Retried: map[string]int{}, Broken: map[string]int{},
	}
	for _, x := range h.executed {
		rep.Executions += len(x.starts)
	}
	for i := range h.transitions {
		t := &h.transitions[i]
		if t.Cause == "repaired" || t.Actor == "river" {
			rep.Repairs++
		}
		if t.Step > 0 && t.From == "running" && !t.reported() {
			rep.Ended[t.Cause]++
		}
		if t.To == "retrying" {
			rep.Retried[t.Cause]++
		}
	}
	for _, r := range rules {
		r.check(h, func(at place, format string, args ...any) {
			rep.Broken[r.name]++
			if rep.Broken[r.name] <= violationsMost {
				rep.Violations = append(rep.Violations, Violation{Rule: r.name, Run: at.run, Step: h.name(at), What: fmt.Sprintf(format, args...)})
			}
		})
	}
	return rep
}

// calm waits until reconcile has nothing left to do and nobody fetches what has ended, for as long as somebody reconciles,
// at most 30 s.
func calm(ctx context.Context, pool *pgxpool.Pool) error {
	const sql = `select (select beat_at::text from weir.pulse), (select count(*) from weir.dirty) + (select count(*) from (` + riverLeftSQL + `) j)`
	var first, beat string
	var left int
	until := time.Now().Add(calmWithin)
	alive := time.Now().Add(3 * time.Second)
	for {
		if err := pool.QueryRow(ctx, sql).Scan(&beat, &left); err != nil {
			return fmt.Errorf("wait until nothing is left to do: %w", err)
		}
		if first == "" {
			first = beat
		}
		now := time.Now()
		if left == 0 || now.After(until) || beat == first && now.After(alive) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until nothing is left to do: %w", context.Cause(ctx))
		case <-time.After(calmEvery):
		}
	}
}
