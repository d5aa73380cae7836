package cmd

import (
	"errors"
	"fmt"
	"slices"

	"github.com/weirqueue/weir/jobs"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// plans has the commands about plans. The first two need no server.
type plans struct {
	Check   planCheck   `cmd:"" help:"Find every fault of plans, without a server; exit code 2 if there is any."`
	Schema  planSchema  `cmd:"" help:"Print the JSON Schema of plans, without a server."`
	Push    planPush    `cmd:"" help:"Put a plan under its name: it becomes the latest version."`
	List    planList    `cmd:"" help:"List named plans."`
	Show    planShow    `cmd:"" help:"Show a named plan."`
	History planHistory `cmd:"" help:"List the versions of a named plan, newest first."`
	Diff    planDiff    `cmd:"" help:"Compare two versions of a named plan."`
}

// planCheck looks for faults of plans.
type planCheck struct {
	answerFlags

	Files []string `arg:"" name:"FILE" help:"Files with a plan each, in YAML or JSON; - is stdin."`
}

// checkedPlan is what was found in one file.
type checkedPlan struct {
	File   string      `json:"file"`
	OK     bool        `json:"ok"`
	Name   *string     `json:"name"`  // null if there are faults
	Steps  *int        `json:"steps"` // as above
	Faults []planFault `json:"faults"`
}

// planFault is one fault.
type planFault struct {
	Path    string   `json:"path"`
	Line    *int     `json:"line"` // null: not known
	Code    *string  `json:"code"` // null: the text is neither YAML nor JSON
	Message string   `json:"message"`
	Detail  []string `json:"detail"`
}

// Help is the long help.
func (c *planCheck) Help() string {
	return `Says OK for a plan without faults, and otherwise every fault on a line of its own: FILE:LINE: PATH: MESSAGE. No server
is asked: whether there is a replica with the kinds of the steps is found out by 'weir submit'.`
}

// Run implements the command.
func (c *planCheck) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	if err := jobs.RegisterBuiltin(inv.registry, jobs.BuiltinConfig{EnableExec: true}); err != nil {
		return fmt.Errorf("register the built-in kinds: %w", err)
	}
	found := make([]checkedPlan, 0, len(c.Files))
	var lines []string
	faults := 0
	for _, name := range c.Files {
		file, err := readPlanFile(name, inv.stdin)
		if err != nil {
			return err
		}
		parsed, err := c.look(inv, file)
		var bad *planError
		switch {
		case err == nil:
			steps := len(parsed.Steps)
			found = append(found, checkedPlan{File: file.name, OK: true, Name: &parsed.Name, Steps: &steps, Faults: []planFault{}})
			lines = append(lines, file.name+": OK")
		case errors.As(err, &bad):
			found = append(found, checkedPlan{File: file.name, Faults: faultsOf(bad.faults)})
			lines = append(lines, bad.lines()...)
			faults += len(bad.faults)
		default:
			return err
		}
	}
	if err := c.answer(inv, found, lines); err != nil {
		return err
	}
	if faults > 0 {
		return &usageError{what: counted(faults, "fault") + " in " + counted(len(c.Files), "plan"), try: "weir plan schema"}
	}
	return nil
}

// look checks one plan, and what its steps give to the kinds that this program has.
func (c *planCheck) look(inv *invocation, file planFile) (*plan.Plan, error) {
	parsed, err := file.check()
	if err != nil {
		return nil, err
	}
	kinds := map[string]plan.Kind{}
	for _, kind := range inv.registry.Kinds() {
		if kinds[kind.Name], err = plan.NewKind(kind.Input); err != nil {
			return nil, err
		}
	}
	faults := slices.DeleteFunc(parsed.CheckKinds(kinds), func(fault plan.Fault) bool {
		return fault.Code == plan.CodeUnknownKind || fault.Code == plan.CodeExecDisabled
	})
	if len(faults) > 0 {
		return nil, &planError{file: file, faults: faults}
	}
	return parsed, nil
}

// answer prints what was found; with -q the names of the plans that are in order.
func (c *planCheck) answer(inv *invocation, found []checkedPlan, lines []string) error {
	if c.Quiet {
		for _, f := range found {
			if f.OK {
				fmt.Fprintln(inv.stdout, printable(f.File))
			}
		}
		return nil
	}
	return c.print(inv.stdout, map[string]any{"items": found, "next": nil}, func(t *tableWriter) {
		for _, line := range lines {
			t.line(printable(line))
		}
	})
}

func faultsOf(faults plan.Faults) []planFault {
	all := make([]planFault, len(faults))
	for i, fault := range faults {
		all[i] = planFault{Path: fault.Path, Message: fault.Message, Detail: fault.Detail}
		if line := fault.Line; line > 0 {
			all[i].Line = &line
		}
		if code := fault.Code; code != "" {
			all[i].Code = &code
		}
	}
	return all
}

// planSchema prints the JSON Schema.
type planSchema struct {
	Output string `short:"o" enum:"json,yaml" default:"json" help:"How to print it: json or yaml."`
}

// Run implements the command.
func (c *planSchema) Run(inv *invocation) error {
	raw, err := plan.SchemaJSON()
	if err != nil {
		return err
	}
	return answerFlags{outputFlags: outputFlags{Output: c.Output}}.raw(inv.stdout, raw)
}
