package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/weirqueue/weir/lifecycle"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// maxFailures is how many failed steps are named.
const maxFailures = 20

// ended says how a run went: on stderr, with the errors of the steps that failed. The error has the exit code.
func (c *connection) ended(ctx context.Context, answer answerFlags, run client.Run) error {
	id := run.ID.String()
	took := between(&run.CreatedAt, run.FinishedAt, run.CreatedAt)
	failures, first, err := c.failures(ctx, run)
	if err != nil {
		return c.explain(err)
	}
	o := &outcome{failure: failure{try: c.command("steps", id)}}
	if first != "" {
		o.try = c.command("logs", id, first)
	}
	switch lifecycle.RunState(run.State) {
	case lifecycle.RunSucceeded:
		if !answer.Quiet {
			c.note(fmt.Sprintf("run %s succeeded in %s: %s", id, took, counted(int(run.Steps.Total), "step")))
			for _, line := range failures {
				c.note("  " + line)
			}
		}
		return nil
	case lifecycle.RunCancelled:
		o.what, o.code = fmt.Sprintf("run %s was cancelled after %s", id, took), exitRunCanceled
	case lifecycle.RunFailed:
		o.what, o.code = fmt.Sprintf("run %s failed after %s: %s", id, took, tally(run.Steps)), exitRunFailed
	case lifecycle.RunRunning, lifecycle.RunPaused:
		return fmt.Errorf("run %s is %s and was thought to have ended", id, run.State)
	}
	o.what = strings.Join(append([]string{o.what}, failures...), "\n")
	return o
}

// failures says why steps of the run failed, one line each, and which one was the first.
func (c *connection) failures(ctx context.Context, run client.Run) (lines []string, first string, err error) {
	left := run.Steps.Failed + run.Steps.Crashed + run.Steps.TimedOut + run.Steps.Lost
	if left == 0 {
		return nil, "", nil
	}
	limit := int64(maxPage)
	for step, err := range c.Steps(ctx, run.ID, client.StepListParams{Limit: &limit}) {
		if err != nil {
			return nil, "", err
		}
		if !broken(step.Value.State) {
			continue
		}
		if first == "" {
			first = step.Value.Key
		}
		lines = append(lines, failureLine(&step.Value))
		if left--; left > 0 && len(lines) == maxFailures {
			lines = append(lines, fmt.Sprintf("and %d more", left))
		}
		if left == 0 || len(lines) > maxFailures {
			break
		}
	}
	return lines, first, nil
}

// broken reports whether a step that ended like this did not do what it should have, by itself.
func broken(state client.StepState) bool {
	switch lifecycle.StepState(state) {
	case lifecycle.StepFailed, lifecycle.StepCrashed, lifecycle.StepTimedOut, lifecycle.StepLost:
		return true
	case lifecycle.StepPending, lifecycle.StepAvailable, lifecycle.StepRunning, lifecycle.StepRetrying, lifecycle.StepWaiting,
		lifecycle.StepSucceeded, lifecycle.StepCancelled, lifecycle.StepSkipped:
	}
	return false
}

// failureLine is why a step failed, in one line.
func failureLine(step *client.Step) string {
	line := fmt.Sprintf("%s %s", step.Key, strings.ReplaceAll(string(step.State), "_", " "))
	if step.Attempt > 1 {
		line += fmt.Sprintf(" after %d attempts", step.Attempt)
	}
	if step.AllowFailure {
		line += ", which is allowed"
	}
	if step.Error == nil {
		return fromStep(line + ": " + string(step.Cause))
	}
	return fromStep(fmt.Sprintf("%s: %s (%s)", line, oneLine(step.Error.Message), step.Error.Code))
}

// oneLine is the first line of a text that has something in it.
func oneLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}

// tally says how many steps are in which state, leaving out what there is none of.
func tally(steps client.RunSteps) string {
	var parts []string
	for _, s := range []struct {
		n    int64
		word string
	}{
		{steps.Succeeded, "succeeded"},
		{steps.Failed, "failed"},
		{steps.Crashed, "crashed"},
		{steps.TimedOut, "timed out"},
		{steps.Lost, "lost"},
		{steps.Cancelled, "cancelled"},
		{steps.Skipped, "skipped"},
		{steps.Running, "running"},
		{steps.Retrying, "retrying"},
		{steps.Waiting, "waiting"},
		{steps.Available, "available"},
		{steps.Pending, "pending"},
	} {
		if s.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", s.n, s.word))
		}
	}
	return strings.Join(parts, ", ")
}
