package lifecycle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// Bounds of a flush of submissions.
const (
	submitMost   = 1000                  // runs
	submitLarge  = 50_000                // their size together
	submitWithin = 25 * time.Microsecond // for each unit of size: the largest plan has half a minute more
	bytesOfARow  = 200                   // as much work as a row
)

// sizeOfSubmission is how much there is to store, in rows.
func sizeOfSubmission(s Submission) int {
	size := 1 + len(s.Plan.Steps)
	bytes := len(s.Plan.Input)
	for i := range s.Plan.Steps {
		size += len(s.Plan.Steps[i].NeedOrdinals)
		bytes += len(s.Plan.Steps[i].With)
	}
	return size + bytes/bytesOfARow
}

// Submission is a plan to be run.
type Submission struct {
	Plan  *plan.Plan
	ID    uuid.UUID // of the run, a UUIDv7; zero: made here
	Actor string    // token:NAME or local

	PlanVersion int // of the named plan that this is; 0 = the plan came with the submit

	Key        string // at most one live run has it; "" = none
	OnConflict string // when a run of the key is live: keep, replace or queue; required with Key

	parent node  // the step that waits for the run; zero: none
	depth  int16 // how many runs are above it

	Scope          string // whose idempotency keys: the token's name, or local
	IdempotencyKey string // "" = none
	Digest         []byte // SHA-256 of the canonical body; required with a key
}

// Submitted is the run of a submission.
type Submitted struct {
	ID       uuid.UUID
	Replayed bool // the idempotency key was known: it is the run of the first submission
	Kept     bool // a run of the key was live, and was to be kept: it is that run
}

// Submit stores a run and starts it: its first steps can be claimed when it returns. Submits of one process that come
// at the same time share a transaction. Errors: [CodePlanInvalid] when the plan does not fit the kinds that replicas
// have registered, [CodeIdempotencyConflict], and retryable ones after which the same submission, with the same ID or
// key, can be repeated.
func (e *Engine) Submit(ctx context.Context, s Submission) (Submitted, error) {
	if err := e.checkKinds(ctx, s.Plan); err != nil {
		return Submitted{}, err
	}
	if err := s.prepare(); err != nil {
		return Submitted{}, err
	}
	if s.hinted() {
		defer e.nudge()
	}
	if s.Key != "" {
		return e.submitKeyed(ctx, s)
	}
	if sizeOfSubmission(s) > submitLarge {
		return e.larges.do(ctx, s)
	}
	return e.submits.do(ctx, s)
}

// prepare gives the run an id if it has none, and the plan's keys their values in this run.
func (s *Submission) prepare() error {
	if s.ID == uuid.Nil {
		id, err := uuid.NewV7()
		if err != nil {
			return mapError(err)
		}
		s.ID = id
	}
	resolved, faults := s.Plan.Resolved(s.ID.String())
	if err := planInvalid(faults); err != nil {
		return err
	}
	s.Plan = resolved
	return nil
}

// gated reports whether something may hold the run as a whole back.
func (s *Submission) gated() bool {
	p := s.Plan
	return p.StartAt != nil || p.Delay > 0 || p.Concurrency != nil || p.Rate != nil || s.Key != ""
}

// limits reports whether a step of the plan needs a slot before it is dispatched.
func limits(p *plan.Plan, st *plan.Step, expects string) bool {
	switch expects {
	case "children": // each child does
		return false
	case "":
		return st.Concurrency != nil || st.Rate != nil || p.MaxParallel > 0
	}
	return st.Concurrency != nil || st.Rate != nil
}

// hinted reports whether reconcile has something to do before the run starts.
func (s *Submission) hinted() bool {
	if s.gated() || s.Plan.MaxParallel > 0 {
		return true
	}
	for i := range s.Plan.Steps {
		if st := &s.Plan.Steps[i]; len(st.NeedOrdinals) == 0 && (st.Concurrency != nil || st.Rate != nil || st.RunIf == "any_failed" || st.Expects() != "") {
			return true
		}
	}
	return false
}

// SubmitMany stores all of the runs or none of them. None of them may have a Key. The faults of an error with
// [CodePlanInvalid] are those of every run, as [FaultsOfRun] names them.
func (e *Engine) SubmitMany(ctx context.Context, all []Submission) ([]Submitted, error) {
	if err := e.checkKindsOf(ctx, all); err != nil {
		return nil, err
	}
	var faults plan.Faults
	for i := range all {
		if all[i].Key != "" {
			return nil, &Error{Code: CodeInternal, Message: "runs with a key are submitted one by one"}
		}
		err := all[i].prepare()
		refused, ok := errors.AsType[*Error](err)
		switch {
		case ok && refused.Code == CodePlanInvalid:
			faults = append(faults, FaultsOfRun(i, refused.Faults)...)
		case err != nil:
			return nil, fmt.Errorf("prepare run %d of %d: %w", i+1, len(all), err)
		}
	}
	if err := planInvalid(faults); err != nil {
		return nil, err
	}
	out := make([]Submitted, len(all))
	err := e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
		answers, err := submit(ctx, q, all)
		if err != nil {
			return err
		}
		for i, a := range answers {
			if a.err != nil {
				return a.err
			}
			out[i] = a.value
		}
		return nil
	})
	if err != nil {
		return nil, mapError(err)
	}
	e.nudge()
	return out, nil
}

// FaultsOfRun are faults of the plan of one of many runs: their paths begin with runs[I].
func FaultsOfRun(i int, faults plan.Faults) plan.Faults {
	named := make(plan.Faults, len(faults))
	for at, fault := range faults {
		switch {
		case fault.Path != "" && fault.Path[0] != '[':
			fault.Path = fmt.Sprintf("runs[%d].%s", i, fault.Path)
		default:
			fault.Path = fmt.Sprintf("runs[%d]%s", i, fault.Path)
		}
		named[at] = fault
	}
	return named
}

// SubmitTx stores a run in the caller's transaction: it exists exactly if that commits, and starts then. Errors are as
// from [Engine.Submit]; after one that the database made the transaction can only be rolled back.
func SubmitTx(ctx context.Context, tx pgx.Tx, p *plan.Plan, options ...SubmitOption) (uuid.UUID, error) {
	q := queries.New(tx)
	rows, err := q.KindList(ctx)
	if err != nil {
		return uuid.Nil, mapError(err)
	}
	if err := planInvalid(p.CheckKinds(compileKinds(kindsOf(rows)))); err != nil {
		return uuid.Nil, err
	}
	s := Submission{Plan: p, Actor: "local"}
	for _, option := range options {
		option(&s)
	}
	if err := s.prepare(); err != nil {
		return uuid.Nil, err
	}
	answers, err := submit(ctx, q, []Submission{s})
	if err != nil {
		return uuid.Nil, mapError(err)
	}
	return answers[0].value.ID, answers[0].err
}

// SubmitOption is an option of [SubmitTx].
type SubmitOption func(*Submission)

// WithActor says who submits: it stands in the run's created_by.
func WithActor(actor string) SubmitOption { return func(s *Submission) { s.Actor = actor } }

// WithID gives the run an id made beforehand, a UUIDv7.
func WithID(id uuid.UUID) SubmitOption { return func(s *Submission) { s.ID = id } }

func (e *Engine) submitFlush(ctx context.Context, items []Submission) ([]answer[Submitted], error) {
	return submit(ctx, e.q, items)
}

// submit stores runs with one statement, and looks up those that were there before.
func submit(ctx context.Context, q *queries.Queries, items []Submission) ([]answer[Submitted], error) {
	stored, err := q.RunSubmit(ctx, submitParams(items))
	if err != nil {
		return nil, err
	}
	answers := make([]answer[Submitted], len(items))
	if len(stored) == len(items) {
		for i := range items {
			answers[i].value.ID = items[i].ID
		}
		return answers, nil
	}
	return answers, replays(ctx, q, items, stored, answers)
}

// replays answers for runs that were not stored because they, or their idempotency keys, had been before.
func replays(ctx context.Context, q *queries.Queries, items []Submission, stored []uuid.UUID, answers []answer[Submitted]) error {
	known := make(map[uuid.UUID]bool, len(stored))
	for _, id := range stored {
		known[id] = true
	}
	var look queries.RunOfIdempotencyKeyParams
	var ids []uuid.UUID
	for _, s := range items {
		if known[s.ID] {
			continue
		}
		ids = append(ids, s.ID)
		if s.IdempotencyKey != "" {
			look.Scopes, look.Keys = append(look.Scopes, s.Scope), append(look.Keys, s.IdempotencyKey)
		}
	}
	again, err := q.RunsThatExist(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range again {
		known[id] = true // the same submission, repeated
	}
	rows, err := q.RunOfIdempotencyKey(ctx, look)
	if err != nil {
		return err
	}
	type name struct{ scope, key string }
	byKey := make(map[name]queries.RunOfIdempotencyKeyRow, len(rows))
	for _, row := range rows {
		byKey[name{*row.IdempotencyScope, *row.IdempotencyKey}] = row
	}
	for i, s := range items {
		row, keyed := byKey[name{s.Scope, s.IdempotencyKey}]
		switch {
		case known[s.ID]:
			answers[i].value.ID = s.ID
		case !keyed:
			answers[i].err = &Error{Code: CodeOverloaded, Message: "the run was not stored; try again", Retryable: true}
		case !bytes.Equal(row.IdempotencyDigest, s.Digest):
			answers[i].err = idempotencyConflict()
		default:
			answers[i].value = Submitted{ID: row.ID, Replayed: true}
		}
	}
	return nil
}

func idempotencyConflict() *Error {
	return &Error{Code: CodeIdempotencyConflict, Message: "this Idempotency-Key was used for another plan; use a new key"}
}

// submitParams lays submissions out as the columns of the statement.
func submitParams(items []Submission) queries.RunSubmitParams {
	var p queries.RunSubmitParams
	for i := range items {
		s := &items[i]
		p.RunIds = append(p.RunIds, s.ID)
		p.Names = append(p.Names, s.Plan.Name)
		p.Descriptions = append(p.Descriptions, s.Plan.Description)
		p.Labels = append(p.Labels, labels(s.Plan.Labels))
		p.Inputs = append(p.Inputs, object(s.Plan.Input))
		p.CreatedBy = append(p.CreatedBy, s.Actor)
		p.StepsTotals = append(p.StepsTotals, int32(len(s.Plan.Steps)))
		p.IdempotencyScopes = append(p.IdempotencyScopes, s.Scope)
		p.IdempotencyKeys = append(p.IdempotencyKeys, s.IdempotencyKey)
		p.IdempotencyDigests = append(p.IdempotencyDigests, s.Digest)
		if s.IdempotencyKey == "" {
			p.IdempotencyScopes[i], p.IdempotencyDigests[i] = "", []byte{}
		}
		p.OnFailures = append(p.OnFailures, orElse(s.Plan.OnFailure, "continue"))
		p.MaxParallels = append(p.MaxParallels, int32(s.Plan.MaxParallel))
		p.RunTimeoutsMs = append(p.RunTimeoutsMs, s.Plan.Timeout.Milliseconds())
		p.DelaysMs = append(p.DelaysMs, s.Plan.Delay.Milliseconds())
		p.StartAts = append(p.StartAts, startAt(s.Plan.StartAt))
		p.Admitted = append(p.Admitted, !s.gated())
		p.WantsOutputs = append(p.WantsOutputs, s.Plan.Output != nil)
		p.RunKeys = append(p.RunKeys, s.Key)
		p.PlanVersions = append(p.PlanVersions, int32(s.PlanVersion))
		p.ParentRuns, p.ParentSteps = append(p.ParentRuns, s.parent.run), append(p.ParentSteps, s.parent.step)
		p.Depths = append(p.Depths, s.depth)
		if s.Plan.Concurrency != nil || s.Plan.Rate != nil || s.Plan.Output != nil {
			policyParams(&p, s.ID, 0, s.Plan.Concurrency, s.Plan.Rate)
			p.FanParallels, p.ForEachs, p.RunOutputs = append(p.FanParallels, 0), append(p.ForEachs, ""), append(p.RunOutputs, orNull(s.Plan.Output))
		}
		stepParams(&p, s)
	}
	return p
}

// startAt is a time as the statement takes it; empty: none.
func startAt(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func policyParams(p *queries.RunSubmitParams, run uuid.UUID, step int32, c *plan.Concurrency, r *plan.Rate) {
	if c == nil {
		c = &plan.Concurrency{}
	}
	if r == nil {
		r = &plan.Rate{}
	}
	p.PolicyRuns, p.PolicySteps = append(p.PolicyRuns, run), append(p.PolicySteps, step)
	p.ConcurrencyKeys, p.ConcurrencyLimits = append(p.ConcurrencyKeys, c.Key), append(p.ConcurrencyLimits, int32(c.Limit))
	p.ConcurrencyStrategies = append(p.ConcurrencyStrategies, c.Strategy)
	p.RateKeys, p.RateLimits, p.RatePersMs = append(p.RateKeys, r.Key), append(p.RateLimits, int32(r.Limit)), append(p.RatePersMs, r.Per.Milliseconds())
}

func stepParams(p *queries.RunSubmitParams, s *Submission) {
	dependants := make([]int32, len(s.Plan.Steps)+1)
	for i := range s.Plan.Steps {
		for _, need := range s.Plan.Steps[i].NeedOrdinals {
			dependants[need]++
		}
	}
	for i := range s.Plan.Steps {
		st, ordinal := &s.Plan.Steps[i], int32(i+1)
		p.StepRuns = append(p.StepRuns, s.ID)
		p.Steps = append(p.Steps, ordinal)
		p.Keys = append(p.Keys, st.Key)
		p.Kinds = append(p.Kinds, st.Kind)
		p.Queues = append(p.Queues, st.Queue)
		p.Priorities = append(p.Priorities, int16(st.Priority))
		p.RunIfs = append(p.RunIfs, st.RunIf)
		p.AllowFailures = append(p.AllowFailures, st.AllowFailure)
		p.NeedsTotals = append(p.NeedsTotals, int32(len(st.NeedOrdinals)))
		p.Dependants = append(p.Dependants, dependants[ordinal])
		p.MaxAttempts = append(p.MaxAttempts, int32(st.Retry.MaxAttempts))
		p.TimeoutsMs = append(p.TimeoutsMs, st.Timeout.Milliseconds())
		p.GracesMs = append(p.GracesMs, st.Grace.Milliseconds())
		p.StallsMs = append(p.StallsMs, st.StallAfter.Milliseconds())
		p.Retries = append(p.Retries, retry(st.Retry))
		expects := st.Expects()
		p.Expects = append(p.Expects, expects)
		p.StepLimited = append(p.StepLimited, limits(s.Plan, st, expects))
		if st.ForEach != "" || st.Concurrency != nil || st.Rate != nil {
			policyParams(p, s.ID, ordinal, st.Concurrency, st.Rate)
			p.FanParallels, p.ForEachs, p.RunOutputs = append(p.FanParallels, int32(st.MaxParallel)), append(p.ForEachs, st.ForEach), append(p.RunOutputs, orNull(nil))
		}
		p.Withs = append(p.Withs, object(st.With))
		for _, need := range st.NeedOrdinals {
			p.NeedRuns = append(p.NeedRuns, s.ID)
			p.Needs = append(p.Needs, int32(need))
			p.NeedSteps = append(p.NeedSteps, ordinal)
		}
	}
}

func labels(l map[string]string) json.RawMessage {
	if len(l) == 0 {
		return json.RawMessage("{}")
	}
	raw, err := json.Marshal(l)
	if err != nil {
		return json.RawMessage("{}") // a map of strings always marshals
	}
	return raw
}

func object(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}

// storedRetry is the form of a retry policy in weir.steps.retry.
type storedRetry struct {
	On        []string `json:"on,omitzero"` // only if given: an empty list wants nothing tried again
	Backoff   string   `json:"backoff"`
	InitialMS int64    `json:"initial_ms"`
	MaxMS     int64    `json:"max_ms"`
	Jitter    float64  `json:"jitter"`
}

// retry is the policy as it is stored: null when nothing in it differs from the defaults.
func retry(r plan.Retry) json.RawMessage {
	if r.On == nil && r.Backoff == "exponential" && r.Initial == time.Second && r.Max == 5*time.Minute && r.Jitter == 0.1 {
		return json.RawMessage("null")
	}
	raw, err := json.Marshal(storedRetry{
		On: r.On, Backoff: r.Backoff, InitialMS: r.Initial.Milliseconds(), MaxMS: r.Max.Milliseconds(), Jitter: r.Jitter,
	})
	if err != nil {
		return json.RawMessage("null") // strings and finite numbers always marshal
	}
	return raw
}
