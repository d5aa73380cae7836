package cmd

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/weirqueue/weir/lifecycle/plan"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// planRef is the name of a named plan on the command line, with or without a version.
type planRef struct {
	name    string
	version int // 0 = the latest
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *planRef) UnmarshalText(text []byte) error {
	name, version, ok := plan.ParseRef(string(text))
	if !ok {
		return &usageError{what: "a named plan is NAME or NAME@VERSION, like load/daily@3; 'weir plan list' lists them"}
	}
	*r = planRef{name, version}
	return nil
}

// String is the name as people write it.
func (r planRef) String() string { return plan.FormatRef(r.name, r.version) }

// planPush puts plans under their names.
type planPush struct {
	clientFlags
	answerFlags

	Plan string `arg:"" name:"FILE" help:"A file with a plan, in YAML or JSON; - is stdin."`
}

// Help is the long help.
func (c *planPush) Help() string {
	return `The plan's own name is what it can be run by: 'weir submit --plan NAME'. The plan that is the latest version already makes
no new one; any other is the next version. Versions never change.`
}

// Run implements the command.
func (c *planPush) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	file, err := readPlanFile(c.Plan, inv.stdin)
	if err != nil {
		return err
	}
	parsed, err := file.check()
	if err != nil {
		return err
	}
	text, err := plan.JSON(file.text)
	if err != nil {
		return file.refuse(err)
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	put, err := server.PlanPut(inv.ctx, parsed.Name, text)
	if err != nil {
		return server.explain(err)
	}
	return c.resource(inv.stdout, put.JSON, refOf(&put.Value), func(t *tableWriter) { t.line(printable(refOf(&put.Value))) })
}

func refOf(p *client.NamedPlan) string { return plan.FormatRef(p.Name, int(p.Version)) }

// planList lists named plans.
type planList struct {
	clientFlags
	answerFlags
}

// Run implements the command.
func (c *planList) Run(inv *invocation) error {
	return listPlans(inv, c.clientFlags, c.answerFlags, func(p client.NamedPlan) string { return p.Name },
		func(server *connection, limit *int64, cursor *string) (client.Answer[client.NamedPlanPage], error) {
			return server.PlanPage(inv.ctx, client.PlanListParams{Limit: limit, Cursor: cursor})
		})
}

// planHistory lists the versions of a named plan.
type planHistory struct {
	clientFlags
	answerFlags

	Name string `arg:"" name:"NAME" help:"The name of the plan."`
}

// Run implements the command.
func (c *planHistory) Run(inv *invocation) error {
	return listPlans(inv, c.clientFlags, c.answerFlags, func(p client.NamedPlan) string { return refOf(&p) },
		func(server *connection, limit *int64, cursor *string) (client.Answer[client.NamedPlanPage], error) {
			return server.PlanVersionPage(inv.ctx, c.Name, client.PlanVersionsParams{Limit: limit, Cursor: cursor})
		})
}

func listPlans(inv *invocation, from clientFlags, f answerFlags, id func(client.NamedPlan) string,
	fetch func(server *connection, limit *int64, cursor *string) (client.Answer[client.NamedPlanPage], error),
) error {
	if err := f.check(); err != nil {
		return err
	}
	server, err := from.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	var l list[client.NamedPlan]
	err = l.read(nil, 0, func(limit *int64, cursor *string) (json.RawMessage, error) {
		page, err := fetch(server, limit, cursor)
		return page.JSON, err
	})
	if err != nil {
		return server.explain(err, "plan", "list")
	}
	return printList(f, inv.stdout, l, id, func(t *tableWriter) {
		t.row("NAME", "VERSION", "PUT", "BY", "DESCRIPTION")
		for _, p := range l.values {
			t.row(p.Name, strconv.FormatInt(p.Version, 10), moment(p.CreatedAt), p.CreatedBy, oneLine(p.Description))
		}
	})
}

// planShow shows a version of a named plan.
type planShow struct {
	clientFlags
	answerFlags

	Name planRef `arg:"" name:"NAME[@VERSION]" help:"The name of the plan; without a version the latest."`
}

// Help is the long help.
func (c *planShow) Help() string {
	return `The plan is shown as it was put, as YAML that can be put or submitted again; -o json and -o yaml show the whole resource.`
}

// Run implements the command.
func (c *planShow) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	got, err := server.PlanGet(inv.ctx, c.Name.name, c.Name.version)
	if err != nil {
		return server.explain(err, "plan", "list")
	}
	if c.Output == "table" && !c.Quiet {
		return printYAML(inv.stdout, got.Value.Plan)
	}
	return c.resource(inv.stdout, got.JSON, refOf(&got.Value), nil)
}

// planDiff compares versions of a named plan.
type planDiff struct {
	clientFlags
	answerFlags

	Name string `arg:"" name:"NAME" help:"The name of the plan."`
	From int    `arg:"" optional:"" name:"FROM" help:"The older version; without it the one before the newer."`
	To   int    `arg:"" optional:"" name:"TO" help:"The newer version; without it the latest."`
}

// Help is the long help.
func (c *planDiff) Help() string {
	return `A unified diff of both versions as YAML; nothing where they are the same.`
}

// Run implements the command.
func (c *planDiff) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.From < 0 || c.To < 0 {
		return &usageError{what: "a version is a number from 1 on", try: "weir plan history " + c.Name}
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	got, err := server.PlanDiff(inv.ctx, c.Name, c.From, c.To)
	if err != nil {
		return server.explain(err, "plan", "history", c.Name)
	}
	d := got.Value
	if c.Output == "table" && !c.Quiet {
		var text strings.Builder
		for line := range strings.Lines(d.Diff) {
			text.WriteString(fromStep(strings.TrimSuffix(line, "\n")) + "\n")
		}
		return printText(inv.stdout, []byte(text.String()))
	}
	return c.resource(inv.stdout, got.JSON, plan.FormatRef(d.Name, int(d.From))+".."+strconv.FormatInt(d.To, 10), nil)
}
