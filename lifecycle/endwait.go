package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/expr"
)

// outputMost is how large an output may be, in bytes of its text.
const outputMost = 1 << 20

// endWaits ends steps that have waited: for a time that has come, beyond their timeout, for a child run or for children that
// have ended.
func (p *pass) endWaits(ctx context.Context) error {
	w := p.special.waiting
	if len(w.runs) == 0 {
		return nil
	}
	var ends endings
	if err := p.timesOver(ctx, w, &ends); err != nil {
		return err
	}
	if err := p.childrenOver(ctx, w, &ends); err != nil {
		return err
	}
	if err := p.familiesOver(ctx, w, &ends); err != nil {
		return err
	}
	return p.end(ctx, ends)
}

func (p *pass) timesOver(ctx context.Context, w nodes, ends *endings) error {
	rows, err := p.q.WaitsOver(ctx, queries.WaitsOverParams{Runs: w.runs, Steps: w.steps})
	if err != nil {
		return err
	}
	var late nodes
	for _, row := range rows {
		at := node{row.RunID, row.Step}
		switch {
		case row.Came:
			ends.add(ending{node: at, state: StepSucceeded, cause: CauseTime})
		case row.WaitingFor == "run":
			late.add(row.RunID, row.Step)
		default:
			ends.add(ending{
				node: at, state: StepTimedOut, cause: CauseDeadline, code: "timed_out",
				message: "what it waited for (" + row.WaitingFor + ") did not come within its timeout",
			})
		}
	}
	if len(late.runs) == 0 {
		return nil
	}
	children, err := p.q.ChildrenTimeOut(ctx, queries.ChildrenTimeOutParams{Actor: p.actor, Runs: late.runs, Steps: late.steps})
	p.after.dirty = p.after.dirty || len(children) > 0
	return err
}

func (p *pass) childrenOver(ctx context.Context, w nodes, ends *endings) error {
	rows, err := p.q.ChildrenOver(ctx, queries.ChildrenOverParams{Runs: w.runs, Steps: w.steps})
	if err != nil {
		return err
	}
	for _, row := range rows {
		e := ending{node: node{row.RunID, row.Step}, cause: CauseStepsFinal, output: row.Output, outputError: row.OutputError}
		state, cause := RunState(row.State), Cause(row.Cause)
		if state != RunSucceeded {
			e.output, e.outputError = nil, nil
			e.code, e.message = "child_"+string(state), fmt.Sprintf("the run %s %s", row.Child, ended(state))
		}
		switch {
		case state == RunSucceeded:
			e.state = StepSucceeded
		case row.TimedOut:
			e.state, e.cause, e.code = StepTimedOut, CauseDeadline, "timed_out"
		case cause == CauseRunTimeout && row.Cancelling:
			e.state, e.cause = StepTimedOut, CauseRunTimeout
		case state == RunCancelled:
			e.state, e.cause = StepCancelled, cause
		default:
			e.state = StepFailed
		}
		ends.add(e)
	}
	return nil
}

func ended(state RunState) string {
	if state == RunCancelled {
		return "was cancelled"
	}
	return string(state)
}

func (p *pass) familiesOver(ctx context.Context, w nodes, ends *endings) error {
	rows, err := p.q.FamiliesOver(ctx, queries.FamiliesOverParams{Runs: w.runs, Steps: w.steps})
	if err != nil {
		return err
	}
	for _, row := range rows {
		e := ending{node: node{row.RunID, row.Step}, state: StepSucceeded, cause: CauseStepsFinal}
		if row.Failed > 0 {
			e.state, e.code, e.message = StepFailed, "children_failed", fmt.Sprintf("%d of its %d children did not succeed", row.Failed, row.Total)
			ends.add(e)
			continue
		}
		bytes, err := p.q.FamilyOutputSize(ctx, queries.FamilyOutputSizeParams{RunID: row.RunID, Step: row.Step, Most: outputMost})
		if err != nil {
			return err
		}
		if bytes > outputMost {
			e.outputError = outputError(&OutputError{Code: "too_large", Bytes: bytes})
		} else if e.output, err = p.q.FamilyOutput(ctx, queries.FamilyOutputParams{RunID: row.RunID, Step: row.Step}); err != nil {
			return err
		}
		ends.add(e)
	}
	return nil
}

// runOutputError says why a run has no output.
type runOutputError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// outputs evaluates the outputs of runs that have just succeeded.
func (s *settler) outputs(ctx context.Context, runs []uuid.UUID) error {
	if len(runs) == 0 {
		return nil
	}
	rows, err := s.q.RunOutputTemplates(ctx, runs)
	if err != nil {
		return err
	}
	for _, row := range rows {
		steps, err := s.q.RunOutputSteps(ctx, queries.RunOutputStepsParams{RunID: row.RunID, Keys: expr.StepsOf(row.Output)})
		if err != nil {
			return err
		}
		scope := expr.Scope{Input: object(row.Input), RunID: row.RunID.String(), RunName: row.Name, Steps: make(map[string]expr.Need, len(steps))}
		for _, step := range steps {
			scope.Steps[step.Key] = expr.Need{State: string(step.State), Output: step.Output}
		}
		put := queries.RunOutputPutParams{RunID: row.RunID, OutputError: orNull(nil), Output: orNull(nil)}
		output, err := expr.EvalValue(row.Output, scope)
		var wrong *runOutputError
		switch {
		case err != nil:
			wrong = &runOutputError{Code: evalCode(err), Message: err.Error()}
		case len(output) > outputMost:
			wrong = &runOutputError{Code: "too_large", Message: fmt.Sprintf("the output has %d bytes, at most %d are kept", len(output), outputMost)}
		default:
			put.Output, put.HasOutput = output, true
		}
		if wrong != nil {
			if put.OutputError, err = json.Marshal(wrong); err != nil {
				return err
			}
		}
		if err := s.q.RunOutputPut(ctx, put); err != nil {
			return err
		}
	}
	return nil
}
