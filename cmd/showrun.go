package cmd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// showRun shows a run, and can wait for its end.
type showRun struct {
	clientFlags
	answerFlags
	waitFlags
	runArg
}

// Help is the long help.
func (c *showRun) Help() string {
	return fmt.Sprintf(`With --wait it shows what has happened so far and then how the run goes on, like 'weir submit --wait'.

Exit code %d: done, with --wait: the run succeeded. %d: error. %d: usage. With --wait: %d: the run failed. %d: it was
cancelled. %d: --timeout passed, the run goes on. %d: interrupted, the run goes on.`,
		exitDone, exitError, exitUsage, exitRunFailed, exitRunCanceled, exitTimeout, exitInterrupted)
}

// Run implements the command.
func (c *showRun) Run(inv *invocation) error {
	if err := cmp.Or(c.answerFlags.check(), c.waitFlags.check()); err != nil {
		return err
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	run, err := server.RunGet(inv.ctx, c.uuid())
	switch {
	case err != nil:
		return server.explain(err)
	case c.Wait && c.Quiet:
		if err := printIDs(inv.stdout, c.ID.String()); err != nil {
			return err
		}
		fallthrough
	case c.Wait:
		return c.await(server, c.answerFlags, run)
	}
	failures := []string{}
	if c.Output == "table" && !c.Quiet {
		if failures, _, err = server.failures(inv.ctx, run.Value); err != nil {
			return server.explain(err)
		}
	}
	return c.resource(inv.stdout, run.JSON, c.ID.String(), func(t *tableWriter) { runTable(t, run.Value, failures, time.Now()) })
}

// runTable shows all of a run that there is.
func runTable(t *tableWriter, run client.Run, failures []string, now time.Time) {
	fact := func(name, text string) {
		if text != "" {
			t.row(name, text)
		}
	}
	fact("id", run.ID.String())
	fact("name", run.Name)
	fact("description", oneLine(run.Description))
	fact("state", string(run.State)+" ("+string(run.Cause)+")")
	fact("steps", fmt.Sprintf("%d: %s", run.Steps.Total, tally(run.Steps)))
	fact("labels", labels(run.Labels))
	if input := string(run.Input); input != "{}" && input != "null" {
		fact("input", input)
	}
	fact("output", jsonText(run.Output))
	if e := run.OutputError; e != nil {
		fact("output", "could not be made: "+fromStep(oneLine(e.Message))+" ("+e.Code+")")
	}
	fact("key", value(run.Key))
	if v := run.PlanVersion; v != nil {
		fact("plan", fmt.Sprintf("%s@%d", run.Name, *v))
	}
	if p := run.Parent; p != nil {
		fact("child of", strings.TrimSpace("run "+p.Run.String()+" "+value(p.Step)))
	}
	if run.RerunOf != nil {
		fact("rerun of", run.RerunOf.String())
	}
	fact("created", moment(run.CreatedAt)+" by "+run.CreatedBy)
	if run.StartAt != nil {
		fact("starts at", moment(*run.StartAt))
	}
	if run.DeadlineAt != nil && run.FinishedAt == nil {
		fact("times out", moment(*run.DeadlineAt))
	}
	if run.MaxParallel != nil {
		fact("max parallel", fmt.Sprint(*run.MaxParallel))
	}
	if run.OnFailure != "continue" {
		fact("on failure", string(run.OnFailure))
	}
	if run.CancelRequestedAt != nil {
		fact("cancel asked", moment(*run.CancelRequestedAt))
	}
	if run.FinishedAt != nil {
		fact("finished", moment(*run.FinishedAt))
	}
	fact("took", between(&run.CreatedAt, run.FinishedAt, now))
	for i, line := range failures {
		t.row([]string{"failures", " "}[min(i, 1)], line)
	}
}

// labels writes labels in one line.
func labels(all map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		parts = append(parts, key+"="+all[key])
	}
	return strings.Join(parts, ", ")
}
