package cmd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirqueue/weir/lifecycle"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// bulkFlags say which runs something is done to, for commands that take one run or many.
type bulkFlags struct {
	All           bool     `group:"Many runs" help:"Every run that the other flags leave, in the background."`
	State         string   `group:"Many runs" placeholder:"STATE" help:"Every run in this state."`
	Name          string   `group:"Many runs" placeholder:"NAME" help:"Every run of the plan with this name."`
	Label         []string `group:"Many runs" sep:"none" placeholder:"KEY=VALUE" help:"Every run with this label. Repeatable: with all of them."`
	CreatedAfter  string   `group:"Many runs" placeholder:"TIME" help:"Every run that was created then or later: 2026-05-04T12:00:00Z for example."`
	CreatedBefore string   `group:"Many runs" placeholder:"TIME" help:"Every run that was created before."`
	DryRun        bool     `group:"Many runs" help:"Do nothing, and say how many runs it would be."`
	WaitAll       bool     `name:"wait" group:"Many runs" help:"Wait until it has been done to all of them."`
}

// bulkHelp is what the help of such a command says of them.
const bulkHelp = `

Without ID it is done to every run that the flags leave: to those that exist now, each once, in the background, whatever
becomes of the server. 'weir bulk show' says how far it is, and --dry-run how many runs it would be.`

// many reports whether many runs are meant.
func (f bulkFlags) many() bool {
	return f.All || f.DryRun || f.State != "" || f.Name != "" || len(f.Label) > 0 || f.CreatedAfter != "" || f.CreatedBefore != ""
}

// check refuses to guess which runs are meant. verb is the command.
func (f bulkFlags) check(verb string, one bool) error {
	switch {
	case one && f.many():
		return &usageError{what: "an ID is one run, and --all, filters and --dry-run are for many: give one of them", try: "weir " + verb + " --help"}
	case !one && !f.many():
		return &usageError{what: "which run? Give its ID, filters (--state, --name, --label, …), or --all for every one", try: "weir " + verb + " --all --dry-run"}
	case one && f.WaitAll:
		return &usageError{what: "--wait is for many runs", try: "weir run ID --wait"}
	}
	return nil
}

// request is what to ask for.
func (f bulkFlags) request(reason string) (client.BulkRequest, error) {
	filter := client.BulkRequestFilter{}
	if f.State != "" {
		if !slices.Contains(lifecycle.RunStates(), lifecycle.RunState(f.State)) {
			return client.BulkRequest{}, &usageError{what: "--state is running, paused, succeeded, failed or cancelled", try: "--state running"}
		}
		filter.State = new(client.RunState(f.State))
	}
	if f.Name != "" {
		filter.Name = &f.Name
	}
	if len(f.Label) > 0 {
		labels := make(map[string]string, len(f.Label))
		for _, label := range f.Label {
			at := strings.IndexAny(label, "=:")
			if at < 1 {
				return client.BulkRequest{}, &usageError{what: "--label is KEY=VALUE", try: "--label team=data"}
			}
			if value, twice := labels[label[:at]]; twice && value != label[at+1:] {
				return client.BulkRequest{}, &usageError{what: "--label gives the same key two values, which no run has", try: "--label team=data"}
			}
			labels[label[:at]] = label[at+1:]
		}
		filter.Labels = &labels
	}
	for _, flag := range []struct {
		name, text string
		into       **time.Time
	}{{"created-after", f.CreatedAfter, &filter.CreatedAfter}, {"created-before", f.CreatedBefore, &filter.CreatedBefore}} {
		if flag.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, flag.text)
		if err != nil {
			return client.BulkRequest{}, &usageError{what: "--" + flag.name + " is a time as in RFC 3339", try: "--" + flag.name + " 2026-05-04T12:00:00Z"}
		}
		*flag.into = &at
	}
	request := client.BulkRequest{Filter: &filter}
	if f.All {
		request.All = &f.All
	}
	if reason != "" {
		request.Reason = &reason
	}
	return request, nil
}

// run does it, or counts, and says so.
func (f bulkFlags) run(server *connection, answer answerFlags, action client.BulkAction, reason string) error {
	request, err := f.request(reason)
	if err != nil {
		return err
	}
	ctx, out := server.inv.ctx, server.inv.stdout
	if f.DryRun {
		if request.Filter == nil || *request.Filter == (client.BulkRequestFilter{}) {
			request.All = new(true) // nothing is done to them
		}
		count, err := server.BulkCount(ctx, action, request)
		if err != nil {
			return server.explain(err)
		}
		return answer.resource(out, count.JSON, fmt.Sprint(count.Value.Count), func(t *tableWriter) {
			t.line(fmt.Sprintf("would %s %s", action, counted(int(count.Value.Count), "run")))
		})
	}
	bulk, err := server.BulkStart(ctx, action, request, "")
	if err != nil {
		return server.explain(err)
	}
	if f.WaitAll {
		return server.awaitBulk(answer, bulk)
	}
	return answer.resource(out, bulk.JSON, bulk.Value.ID.String(), func(t *tableWriter) {
		t.line(fmt.Sprintf("bulk %s: %s %s in the background", bulk.Value.ID, action, counted(int(bulk.Value.Total), "run")))
		t.line("try: " + server.command("bulk", "show", bulk.Value.ID.String()))
	})
}

// bulkLooks is how often a bulk is looked at while somebody waits for it.
const bulkLooks = 200 * time.Millisecond

// awaitBulk waits until it has been done to every run, and says what came of it.
func (c *connection) awaitBulk(answer answerFlags, bulk client.Answer[client.Bulk]) error {
	id := bulk.Value.ID
	timer := time.NewTicker(bulkLooks)
	defer timer.Stop()
	for bulk.Value.State == client.BulkStateRunning {
		select {
		case <-c.inv.ctx.Done():
			what := "interrupted: bulk " + id.String() + " goes on"
			return &outcome{failure: failure{what: what, try: c.command("bulk", "show", id.String()), err: c.inv.ctx.Err()}, code: exitInterrupted}
		case <-timer.C:
		}
		var err error
		if bulk, err = c.patient.BulkGet(c.inv.ctx, id); err != nil && c.inv.ctx.Err() == nil {
			return c.explain(err)
		}
	}
	if err := answer.resource(c.inv.stdout, bulk.JSON, id.String(), func(t *tableWriter) { t.line(printable(bulkLine(bulk.Value))) }); err != nil {
		return err
	}
	if bulk.Value.State != client.BulkStateDone || bulk.Value.Failed > 0 {
		return exitCode(exitError)
	}
	return nil
}

// bulkLine says what came of a bulk.
func bulkLine(b client.Bulk) string {
	text := fmt.Sprintf("bulk %s is %s: %s done to %d of %s", b.ID, b.State, b.Action, b.Done, counted(int(b.Total), "run"))
	if b.Failed > 0 {
		text += fmt.Sprintf(", %d refused it", b.Failed)
	}
	if b.Error != nil {
		text += ": " + *b.Error
	}
	return text
}
