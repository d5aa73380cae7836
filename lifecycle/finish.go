package lifecycle

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/queries"
)

// Bounds of a flush of reports.
const (
	finishMost  = 500     // reports
	finishLarge = 8 << 20 // bytes of their outputs together
)

func sizeOfReport(r Report) int {
	if r.Error != nil {
		return len(r.Output) + len(r.Error.Detail)
	}
	return len(r.Output)
}

// StepFinish records how an attempt ended. It is a conditional write on the current row: the attempt has to be the
// step's, running, and the worker's. Anything else is an answer that changes nothing; the report is then kept as
// evidence. The same report again is answered as a duplicate. Reports of one process that come at the same time share
// a transaction, which also settles, dispatches and finalises what it can.
func (e *Engine) StepFinish(ctx context.Context, r Report) (FinishAnswer, error) {
	if err := r.check(); err != nil {
		return FinishAnswer{}, err
	}
	a, err := e.finishes.do(ctx, r)
	if err == nil && a.Result != ResultRecorded && a.Result != ResultDuplicate {
		e.observe(func(o Observer) { o.LateReport(a.Result) })
	}
	return a, err
}

// check refuses what the database could not store, before it enters a flush.
func (r *Report) check() error {
	refuse := func(message string) error { return &Error{Code: CodeReportRejected, Message: message} }
	switch r.Outcome {
	case OutcomeSucceeded, OutcomeFailed, OutcomeCrashed, OutcomeTimedOut, OutcomeCancelled, OutcomeHandedBack:
	default:
		return refuse("the report has no outcome that is known")
	}
	switch {
	case r.ID == uuid.Nil:
		return refuse("the report has no id")
	case r.Output != nil && r.Outcome != OutcomeSucceeded:
		return refuse("only success has an output")
	case r.Output != nil && !storable(r.Output):
		return refuse("the output is not JSON that PostgreSQL can store")
	case r.Error != nil && r.Error.Detail != nil && !storable(r.Error.Detail):
		return refuse("the detail of the error is not JSON that PostgreSQL can store")
	case r.Error != nil && (!storableText(r.Error.Message) || !storableText(r.Error.Code)):
		return refuse("the error is not text that PostgreSQL can store")
	}
	return nil
}

func (e *Engine) finishFlush(ctx context.Context, items []Report) ([]answer[FinishAnswer], error) {
	answers := make([]answer[FinishAnswer], len(items))
	for worker, mine := range byWorker(items, func(r Report) uuid.UUID { return r.Worker }) {
		p := finishParams(worker, items, mine)
		rows, err := e.finishAndSettle(ctx, p)
		if err != nil && !db.IsTransient(err) {
			// The reports count more than what follows from them: reconcile does that later, or sets it aside.
			e.logger.Warn("reports are recorded without what follows from them", "error", err)
			p.Shards, p.Settle = []int32{}, false
			rows, err = e.q.StepFinish(ctx, p)
			e.nudge()
		}
		if err != nil {
			return nil, err
		}
		e.pauses.at(pauseFinished)
		if err := e.finishAnswers(ctx, items, mine, rows, answers); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// finishAndSettle records reports and does what follows from them, in one transaction.
func (e *Engine) finishAndSettle(ctx context.Context, p queries.StepFinishParams) ([]queries.StepFinishRow, error) {
	var rows []queries.StepFinishRow
	var after effects
	err := e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
		var err error
		if p.Shards, err = q.ShardsLock(ctx, shardsOf(p.Runs)); err != nil {
			return err
		}
		p.Settle = true
		if rows, err = q.StepFinish(ctx, p); err != nil {
			return err
		}
		s := e.newSettler(q, finishRounds)
		for _, row := range rows {
			if row.Settled {
				s.ended(endedStep{node{row.RunID, row.Step}, classOf(StepState(row.State), CauseReported, row.AllowFailure), row.Dependants, row.Parent})
			}
		}
		if err := s.settle(ctx); err != nil {
			return err
		}
		if err := s.beginLater(ctx); err != nil {
			return err
		}
		if s.after.dirty = s.after.dirty || !allSettled(rows); s.after.dirty {
			if err := q.DirtyTell(ctx); err != nil {
				return err
			}
		}
		after = s.after
		return nil
	})
	if err != nil {
		return nil, err
	}
	e.apply(after)
	return rows, nil
}

// allSettled reports whether nothing of what was recorded is left to reconcile.
func allSettled(rows []queries.StepFinishRow) bool {
	for _, row := range rows {
		if !row.Settled || row.Limited { // a retry that is due later may have been cancelled meanwhile
			return false
		}
	}
	return true
}

// shardsOf lists the shards of runs, each once.
func shardsOf(runs []uuid.UUID) []int32 {
	var seen [shards]bool
	var out []int32
	for _, id := range runs {
		if s := shardOf(id); !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

func finishParams(worker uuid.UUID, items []Report, mine []int) queries.StepFinishParams {
	p := queries.StepFinishParams{Worker: worker, Stops: true}
	for _, i := range mine {
		r := &items[i]
		p.Runs, p.Steps, p.Attempts = append(p.Runs, r.Run), append(p.Steps, int32(r.Step)), append(p.Attempts, int32(r.Attempt))
		p.Reports = append(p.Reports, r.ID)
		p.Outcomes = append(p.Outcomes, string(r.Outcome))
		p.Causes = append(p.Causes, string(causeOr(r.Cause, CauseReported)))
		p.RetryAftersMs = append(p.RetryAftersMs, r.RetryAfter.Milliseconds())
		p.Outputs, p.HasOutputs = append(p.Outputs, orNull(r.Output)), append(p.HasOutputs, r.Output != nil)
		p.OutputErrors = append(p.OutputErrors, outputError(r.OutputError))
		if r.Error == nil {
			p.Retryables = append(p.Retryables, true)
			p.ErrorCodes, p.ErrorMessages = append(p.ErrorCodes, ""), append(p.ErrorMessages, "")
			p.ErrorDetails = append(p.ErrorDetails, orNull(nil))
			continue
		}
		p.Retryables = append(p.Retryables, r.Error.Retryable)
		p.ErrorCodes, p.ErrorMessages = append(p.ErrorCodes, orElse(r.Error.Code, "failed")), append(p.ErrorMessages, r.Error.Message)
		p.ErrorDetails = append(p.ErrorDetails, orNull(r.Error.Detail))
	}
	return p
}

func causeOr(c, or Cause) Cause {
	if c == "" {
		return or
	}
	return c
}

func orElse(s, or string) string {
	if s == "" {
		return or
	}
	return s
}

func orNull(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	return raw
}

func outputError(o *OutputError) json.RawMessage {
	if o == nil {
		return orNull(nil)
	}
	raw, err := json.Marshal(o)
	if err != nil {
		return orNull(nil) // a string and a number always marshal
	}
	return raw
}

// finishAnswers answers what was recorded, and asks about the rest.
func (e *Engine) finishAnswers(ctx context.Context, items []Report, mine []int, rows []queries.StepFinishRow, answers []answer[FinishAnswer]) error {
	recorded := make(map[node]*queries.StepFinishRow, len(rows))
	var soonest time.Duration = -1
	for i, row := range rows {
		recorded[node{row.RunID, row.Step}] = &rows[i]
		e.observe(func(o Observer) { o.StepReported(StepState(row.State)) })
		if row.RunAfter != nil {
			if d := max(row.RunAfter.Sub(row.Now), 0); soonest < 0 || d < soonest {
				soonest = d
			}
		}
	}
	e.lookAgainIn(soonest)
	var rest []int
	for _, i := range mine {
		row := recorded[node{items[i].Run, int32(items[i].Step)}]
		if row == nil || int(row.Attempt) != items[i].Attempt {
			rest = append(rest, i)
			continue
		}
		delete(recorded, node{items[i].Run, int32(items[i].Step)}) // a second report of the attempt in this flush is late
		answers[i].value = FinishAnswer{
			Result: ResultRecorded, State: StepState(row.State), Attempt: int(row.Attempt), Actor: "replica:" + items[i].Worker.String(), At: row.Now,
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return e.late(ctx, items, rest, answers)
}
