package lifecycle

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

const startMost = 500 // steps of a flush

// StepStart asks for the right to run a step. It is a conditional write on the current row: the dispatch token has to
// be the step's, the worker's lease has to be alive, the run has to be running and not being cancelled. Repeated by
// the same worker with the same token, it answers the attempt that the worker already got. Starts of one process that
// come at the same time share a transaction.
func (e *Engine) StepStart(ctx context.Context, r StartRequest) (StartAnswer, error) {
	return e.starts.do(ctx, r)
}

// StepRelease gives a dispatched step back that this worker fetched and will not start: it is dispatched again at once,
// instead of when somebody notices. A step that was started, or dispatched anew, is left alone.
func (e *Engine) StepRelease(ctx context.Context, r StartRequest) error {
	err := e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
		err := q.StepTakeBack(ctx, queries.StepTakeBackParams{Runs: []uuid.UUID{r.Run}, Steps: []int32{int32(r.Step)}, Tokens: []int64{r.Token}})
		if err != nil {
			return err
		}
		return q.DirtyTell(ctx)
	})
	if err != nil {
		return mapError(err)
	}
	e.nudge()
	return nil
}

// node names a step.
type node struct {
	run  uuid.UUID
	step int32
}

// dispatch names a step as one River job does. Two of one step can be in a flush: only one of them starts it.
type dispatch struct {
	node
	token int64
}

func dispatchOf(r StartRequest) dispatch { return dispatch{node{r.Run, int32(r.Step)}, r.Token} }

func (e *Engine) startFlush(ctx context.Context, items []StartRequest) ([]answer[StartAnswer], error) {
	answers := make([]answer[StartAnswer], len(items))
	for worker, mine := range byWorker(items, func(r StartRequest) uuid.UUID { return r.Worker }) {
		if err := e.startOf(ctx, worker, items, mine, answers); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// byWorker gives the places of each worker's items. One process has one worker, but for a moment after it lost its id.
func byWorker[T any](items []T, worker func(T) uuid.UUID) map[uuid.UUID][]int {
	out := map[uuid.UUID][]int{}
	for i, item := range items {
		out[worker(item)] = append(out[worker(item)], i)
	}
	return out
}

func (e *Engine) startOf(ctx context.Context, worker uuid.UUID, items []StartRequest, mine []int, answers []answer[StartAnswer]) error {
	p := queries.StepStartParams{Worker: worker}
	for _, i := range mine {
		p.Runs, p.Steps, p.Tokens = append(p.Runs, items[i].Run), append(p.Steps, int32(items[i].Step)), append(p.Tokens, items[i].Token)
	}
	rows, err := e.q.StepStart(ctx, p)
	if err != nil {
		return err
	}
	started := make(map[dispatch]*Attempt, len(rows))
	for _, row := range rows {
		a := attemptOf(row)
		a.Worker, a.Remaining = worker, a.Timeout
		started[dispatch{node{row.RunID, row.Step}, row.Token}] = a
	}
	e.pauses.at(pauseStarted)
	if len(rows) < len(mine) {
		if err := e.startRest(ctx, worker, items, mine, started, answers); err != nil {
			return err
		}
	}
	if err := e.addNeeds(ctx, started); err != nil {
		return err
	}
	for _, i := range mine {
		if a := started[dispatchOf(items[i])]; a != nil {
			answers[i].value = StartAnswer{Result: ResultStarted, Attempt: a, State: StepRunning}
		}
	}
	return nil
}

func attemptOf(row queries.StepStartRow) *Attempt {
	return &Attempt{
		Index: int(row.Item), Item: row.ItemValue,
		Run: row.RunID, RunName: row.RunName, Step: int(row.Step), Key: row.Key, Kind: row.Kind, Attempt: int(row.Attempt),
		With: object(row.With), Input: object(row.Input), Needs: needsOf(row.NeedsTotal),
		Timeout: milliseconds(row.TimeoutMs), Grace: milliseconds(row.GraceMs), StallAfter: milliseconds(row.StallMs),
		Deadline: row.DeadlineAt, Failures: int(row.Failures), MaxAttempts: int(row.MaxAttempts),
	}
}

func needsOf(total int32) map[string]Need {
	if total == 0 {
		return nil
	}
	return make(map[string]Need, total)
}

func milliseconds(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// startRest answers for what was not started: attempts that the worker has got already, and reasons.
func (e *Engine) startRest(ctx context.Context, worker uuid.UUID, items []StartRequest, mine []int, started map[dispatch]*Attempt, answers []answer[StartAnswer]) error {
	var p queries.StepClaimedParams
	p.Worker = worker
	for _, i := range mine {
		if started[dispatchOf(items[i])] == nil {
			p.Runs, p.Steps, p.Tokens = append(p.Runs, items[i].Run), append(p.Steps, int32(items[i].Step)), append(p.Tokens, items[i].Token)
		}
	}
	rows, err := e.q.StepClaimed(ctx, p)
	if err != nil {
		return err
	}
	for _, row := range rows {
		a := attemptOf(queries.StepStartRow{
			RunID: row.RunID, Step: row.Step, Token: row.Token, Attempt: row.Attempt, Key: row.Key, Kind: row.Kind, RunName: row.RunName,
			NeedsTotal: row.NeedsTotal, Failures: row.Failures, MaxAttempts: row.MaxAttempts, DeadlineAt: row.DeadlineAt,
			TimeoutMs: row.TimeoutMs, GraceMs: row.GraceMs, StallMs: row.StallMs, With: row.With, Input: row.Input,
			Item: row.Item, ItemValue: row.ItemValue,
		})
		a.Worker, a.Remaining = worker, milliseconds(row.RemainingMs)
		started[dispatch{node{row.RunID, row.Step}, row.Token}] = a
	}
	if len(rows) == len(p.Runs) {
		return nil
	}
	alive, err := e.q.WorkerIsAlive(ctx, worker)
	if err != nil {
		return err
	}
	looks, err := e.look(ctx, p.Runs, p.Steps, false)
	if err != nil {
		return err
	}
	paused := false
	for _, i := range mine {
		d := dispatchOf(items[i])
		if started[d] == nil {
			answers[i] = notStarted(items[i], looks[d.node], alive)
			paused = paused || answers[i].value.Result == ResultPaused
		}
	}
	if paused {
		defer e.nudge()
		return e.q.StepTakeBack(ctx, queries.StepTakeBackParams{Runs: p.Runs, Steps: p.Steps, Tokens: p.Tokens, OnlyPaused: true})
	}
	return nil
}

// look reads what steps are now. history: and who made them so, from the history.
func (e *Engine) look(ctx context.Context, runs []uuid.UUID, steps []int32, history bool) (map[node]*queries.StepLookRow, error) {
	rows, err := e.q.StepLook(ctx, queries.StepLookParams{Runs: runs, Steps: steps, History: history})
	if err != nil {
		return nil, err
	}
	out := make(map[node]*queries.StepLookRow, len(rows))
	for i := range rows {
		out[node{rows[i].RunID, rows[i].Step}] = &rows[i]
	}
	return out, nil
}

// notStarted says why a step was not started.
func notStarted(r StartRequest, look *queries.StepLookRow, alive bool) answer[StartAnswer] {
	if look == nil {
		return answer[StartAnswer]{err: &Error{Code: CodeNotFound, Message: "there is no such step"}}
	}
	state := StepState(look.State)
	a := StartAnswer{State: state, Actor: look.Actor, At: look.At}
	current := look.RiverJobID != nil && *look.RiverJobID == r.Token
	startable := (state == StepAvailable || state == StepRetrying) && current
	switch {
	case state == StepRunning && current && look.WorkerID != nil && *look.WorkerID == r.Worker:
		return answer[StartAnswer]{err: &Error{Code: CodeOverloaded, Message: "an earlier call has started the step just now; ask again", Retryable: true}}
	case state == StepCancelled || look.Cancelling:
		a.Result = ResultCancelled
	case state.Final():
		a.Result = ResultTooLate
	case !startable:
		a.Result = ResultSuperseded
	case look.RunState == queries.WeirRunState(RunPaused), look.QueuePaused:
		a.Result = ResultPaused
	case !alive:
		return answer[StartAnswer]{err: &Error{Code: CodeWorkerGone, Message: "the worker's lease has run out, so it may not start anything"}}
	default:
		return answer[StartAnswer]{err: &Error{Code: CodeOverloaded, Message: "somebody else holds the step's row; try again", Retryable: true}}
	}
	return answer[StartAnswer]{value: a}
}

// addNeeds reads what the started steps see of their needs.
func (e *Engine) addNeeds(ctx context.Context, started map[dispatch]*Attempt) error {
	var p queries.StepNeedsParams
	needs := make(map[node]map[string]Need, len(started)) // a step is started by one token alone
	for d, a := range started {
		if a.Needs != nil {
			needs[d.node] = a.Needs
			p.Runs, p.Steps = append(p.Runs, d.run), append(p.Steps, d.step)
		}
	}
	if len(p.Runs) == 0 {
		return nil
	}
	rows, err := e.q.StepNeeds(ctx, p)
	if err != nil {
		return err
	}
	for _, row := range rows {
		needs[node{row.RunID, row.Step}][row.Key] = Need{State: StepState(row.State), Output: row.Output}
	}
	return nil
}
