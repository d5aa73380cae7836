package lifecycle

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/queries"
)

// undecided is a run whose first step has used up its attempts, and whose second one needs it.
func (b *bundle) undecided() uuid.UUID {
	b.t.Helper()
	p := planOf(step("a"), step("b", "a"))
	p.OnFailure = "pause"
	run := b.submit(p)
	report := reportOf(b.start(run, 1), OutcomeCrashed)
	report.Error.Code = "panic"
	answer, err := b.StepFinish(b.t.Context(), report)
	require.NoError(b.t, err)
	require.Equal(b.t, StepWaiting, answer.State)
	return run
}

// expecting is a run whose second step waits for something once its need has ended, and whose third one needs it.
func (b *bundle) expecting(what string) uuid.UUID {
	b.t.Helper()
	p := planOf(step("need"), step("a", "need"), step("b", "a"))
	p.Steps[1].Kind, p.Steps[1].With, p.Steps[1].Timeout = "wait", json.RawMessage(`{"for": "`+what+`"}`), 0
	return b.submit(p)
}

// waitsFor is the same run when the step waits.
func (b *bundle) waitsFor(what string) uuid.UUID {
	b.t.Helper()
	run := b.expecting(what)
	b.finish(b.start(run, 1), OutcomeSucceeded)
	b.pass()
	require.Equal(b.t, StepWaiting, b.stepState(run, 2))
	return run
}

func TestStepDecision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	output := json.RawMessage(`{"by": "hand"}`)
	for _, c := range []struct {
		request  DecisionRequest
		state    StepState
		then     StepState
		run      RunState
		output   string
		logLines []string
	}{
		{DecisionRequest{Decision: DecisionSkip}, StepSkipped, StepSkipped, RunSucceeded, "", nil},
		{DecisionRequest{Decision: DecisionAccept}, StepSucceeded, StepAvailable, RunRunning, "", nil},
		{DecisionRequest{Decision: DecisionAccept, Output: output}, StepSucceeded, StepAvailable, RunRunning, `{"by": "hand"}`, nil},
		{DecisionRequest{Decision: DecisionAccept, Output: json.RawMessage("null"), Comment: "it's fine"}, StepSucceeded, StepAvailable, RunRunning, `null`, []string{"accept by token:ops: it's fine"}},
		{DecisionRequest{Decision: DecisionFail, Comment: "give up"}, StepCrashed, StepSkipped, RunFailed, "", []string{"fail by token:ops: give up"}},
	} {
		run := b.undecided()
		c.request.Actor = ops
		require.NoError(t, b.StepDecision(t.Context(), run, "a", c.request))
		require.Equal(t, c.state, b.stepState(run, 1), c.request.Decision)
		b.pass()
		require.Equal(t, c.then, b.stepState(run, 2), c.request.Decision)
		require.Equal(t, c.run, b.runState(run), c.request.Decision)
		require.Equal(t, "token:ops decision", scan[string](b, `select actor || ' ' || cause from weir.transitions where run_id = $1 and step = 1 and from_state = 'waiting'`, run))
		require.Equal(t, c.output, scan[string](b, `select coalesce(output::text, '') from weir.outputs where run_id = $1 and step = 1`, run))
		require.Equal(t, "panic", scan[string](b, `select error_code from weir.outputs where run_id = $1 and step = 1`, run), "how its attempt ended stays known")
		require.Equal(t, c.logLines, scan[[]string](b, `select array_agg(text) from weir.logs where run_id = $1`, run))
		b.healthy()
	}
}

func TestStepDecisionRetries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.undecided()
	require.NoError(t, b.RunPause(t.Context(), run, ops))
	b.exec(`insert into weir.logs (run_id, step, attempt, seq, stream, text) values ($1, 1, 1, 7, 'stdout', 'begun')`, run)
	require.NoError(t, b.StepDecision(t.Context(), run, "a", DecisionRequest{Actor: ops, Decision: DecisionRetry, Comment: "the disk has room again"}))
	b.pass()
	require.NoError(t, b.dueOnce(t.Context()))
	require.Equal(t, StepRetrying, b.stepState(run, 1))
	require.Nil(t, scan[*int64](b, `select river_job_id from weir.steps where run_id = $1 and step = 1`, run), "the run is paused")
	require.Equal(t, "begun, retry by token:ops: the disk has room again", scan[string](b, `select string_agg(text, ', ' order by seq) from weir.logs where run_id = $1`, run))

	require.NoError(t, b.RunResume(t.Context(), run, ops))
	b.pass()
	again := b.start(run, 1)
	require.Equal(t, 2, again.Attempt)
	b.finish(again, OutcomeSucceeded)
	b.finish(b.start(run, 2), OutcomeSucceeded)
	require.Equal(t, RunSucceeded, b.runState(run))
	b.healthy()
}

func TestStepDecisionOfAnApproval(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.waitsFor("approval")
	for _, decision := range []Decision{DecisionRetry, DecisionSkip} {
		known := refused(t, b.StepDecision(t.Context(), run, "a", DecisionRequest{Actor: ops, Decision: decision}))
		require.Equal(t, []string{"failed", "succeeded"}, known.Allowed)
		require.Equal(t, "waiting", known.Current.State)
	}
	require.NoError(t, b.StepDecision(t.Context(), run, "a", DecisionRequest{Actor: ops, Decision: DecisionAccept, Output: json.RawMessage(`[1]`)}))
	b.pass()
	require.JSONEq(t, `[1]`, string(b.start(run, 3).Needs["a"].Output))
	require.Equal(t, "succeeded approval", scan[string](b, `select state || ' ' || cause from weir.steps where run_id = $1 and step = 2`, run))

	for comment, message := range map[string]string{"": "it was not approved", "too dear": "too dear"} {
		run := b.waitsFor("approval")
		require.NoError(t, b.StepDecision(t.Context(), run, "a", DecisionRequest{Actor: ops, Decision: DecisionFail, Comment: comment}))
		b.pass()
		require.Equal(t, RunFailed, b.runState(run))
		view, err := b.StepGet(t.Context(), run, "a")
		require.NoError(t, err)
		require.Equal(t, CauseApproval, view.Cause)
		require.Equal(t, &ReportError{Code: "rejected", Message: message, Detail: json.RawMessage(`{"by": "token:ops"}`)}, view.Error)
	}
	b.healthy()
}

func TestStepDecisionIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	retry := DecisionRequest{Actor: ops, Decision: DecisionRetry}
	notFound(t, b.StepDecision(t.Context(), uuid.New(), "a", retry))
	run := b.submit(planOf(step("a"), step("b", "a")))
	notFound(t, b.StepDecision(t.Context(), run, "none", retry))
	known := refused(t, b.StepDecision(t.Context(), run, "a", retry))
	require.Equal(t, []string{"cancelled", "running"}, known.Allowed)
	require.Equal(t, "available", known.Current.State)
	b.finish(b.start(run, 1), OutcomeSucceeded)
	known = refused(t, b.StepDecision(t.Context(), run, "a", retry))
	require.Empty(t, known.Allowed)
	require.Equal(t, "replica:"+b.worker.String(), known.Current.Actor)
	_ = refused(t, b.StepDecision(t.Context(), b.waitsFor("signal"), "a", retry))

	run = b.undecided()
	require.NoError(t, b.RunCancel(t.Context(), run, who))
	known = refused(t, b.StepDecision(t.Context(), run, "a", retry))
	require.Equal(t, []string{"cancelled"}, known.Allowed)
	require.Equal(t, StepWaiting, b.stepState(run, 1))

	run = b.undecided()
	row := scan[string](b, `select s::text from weir.steps s where run_id = $1 and step = 1`, run)
	for code, requests := range map[string][]DecisionRequest{
		CodeInvalidRequest: {
			{Decision: "perhaps"},
			{},
			{Decision: DecisionFail, Output: json.RawMessage("1")},
			{Decision: DecisionAccept, Output: json.RawMessage(`"\u0000"`)},
			{Decision: DecisionAccept, Output: json.RawMessage(`{`)},
			{Decision: DecisionFail, Comment: strings.Repeat("é", 1025)},
			{Decision: DecisionFail, Comment: "\x00"},
		},
		CodeTooLarge: {{Decision: DecisionAccept, Output: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)}},
	} {
		for _, request := range requests {
			var known *Error
			require.ErrorAs(t, b.StepDecision(t.Context(), run, "a", request), &known)
			require.Equal(t, code, known.Code, request.Decision)
		}
	}
	require.Equal(t, row, scan[string](b, `select s::text from weir.steps s where run_id = $1 and step = 1`, run))
	require.NoError(t, b.StepDecision(t.Context(), run, "a", DecisionRequest{Actor: ops, Decision: DecisionFail, Comment: strings.Repeat("é", 1024)}))
}

// Of decisions that are made at once one wins.
func TestStepDecisionRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 30 {
		run := b.undecided()
		errs := make([]error, 4)
		var all sync.WaitGroup
		begin := make(chan struct{})
		for i, decision := range Decisions() {
			all.Go(func() {
				<-begin
				errs[i] = b.StepDecision(t.Context(), run, "a", DecisionRequest{Actor: ops, Decision: decision, Comment: string(decision)})
			})
		}
		close(begin)
		all.Wait()
		winner := ""
		for i, err := range errs {
			if err == nil {
				require.Empty(t, winner)
				winner = string(Decisions()[i])
				continue
			}
			_ = refused(t, err)
		}
		require.NotEmpty(t, winner)
		require.Equal(t, winner, scan[string](b, `select split_part(text, ' ', 1) from weir.logs where run_id = $1`, run), "one line, by the winner")
		require.Equal(t, 1, scan[int](b, `select count(*)::int from weir.transitions where run_id = $1 and step = 1 and from_state = 'waiting'`, run))
	}
}

// A decision whose commit was not answered is found to have been made, and is not refused.
func TestStepDecisionWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.undecided()
	tries := 0
	do := func(*queries.Queries) (bool, error) {
		if tries++; tries > 1 {
			return false, nil
		}
		require.NoError(t, b.StepDecision(t.Context(), run, "a", DecisionRequest{Actor: ops, Decision: DecisionSkip}))
		b.exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`)
		return true, nil
	}
	refuse := func(now *queries.StepNowRow) *Error { return illegalStep(now, "it was refused") }
	require.NoError(t, b.actOnStep(t.Context(), run, "a", ops, do, refuse))
	require.Equal(t, 2, tries)
	tries = 1
	_ = refused(t, b.actOnStep(t.Context(), run, "a", ops, do, refuse))
}
