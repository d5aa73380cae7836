package cmd

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/weirqueue/weir/db"
)

// doctor looks at everything that is commonly wrong.
type doctor struct {
	databaseFlags
	outputFlags

	Source string `placeholder:"DIR" help:"A git checkout: also say whether the live replicas and this binary were built from it."`
}

// Help is the long help.
func (c *doctor) Help() string {
	return `Looks at the database, its schema, NOTIFY, clocks, replicas, reconcile, what is stuck and what is broken. It changes
nothing. Exit code 1 if anything is wrong; what is only unusual is not.`
}

// finding is one thing that the doctor looked at.
type finding struct {
	Check   string   `json:"check"`
	Status  string   `json:"status"` // ok, unusual, wrong
	Message string   `json:"message"`
	Details []string `json:"details"` // one for each thing found
	Hint    string   `json:"hint"`    // what to do about it
}

// The states of a finding.
const (
	statusOK      = "ok"
	statusUnusual = "unusual"
	statusWrong   = "wrong"
)

// diagnosis is the answer of doctor.
type diagnosis struct {
	OK     bool      `json:"ok"`
	Checks []finding `json:"checks"`
}

// Run implements the command.
func (c *doctor) Run(inv *invocation) error {
	config := c.config(slog.New(slog.DiscardHandler))
	config.MaxConns, config.AppName = 2, "weir doctor"
	pool, err := db.Open(inv.ctx, config)
	if err != nil {
		return err // without a database there is nothing to look at, and the error says all
	}
	defer pool.Close()
	answer := diagnosis{OK: true, Checks: examine(inv.ctx, pool, config, c.Source)}
	if err := inv.ctx.Err(); err != nil {
		return err
	}
	for _, f := range answer.Checks {
		answer.OK = answer.OK && f.Status != statusWrong
	}
	if err := c.print(inv.stdout, answer, answer.table); err != nil {
		return err
	}
	if !answer.OK {
		return exitCode(exitError)
	}
	return nil
}

// table writes the findings for people.
func (d diagnosis) table(t *tableWriter) {
	for _, f := range d.Checks {
		t.row(f.Status, f.Check, f.Message)
		for _, detail := range f.Details {
			t.row(" ", " ", "· "+detail)
		}
		if f.Hint != "" {
			t.row(" ", " ", "try: "+f.Hint)
		}
	}
}

// check is one examination.
type check struct {
	name string
	look func(context.Context) (finding, error)
}

// examine makes all checks. One that cannot be made is wrong, and the others are made all the same. checkout is the
// directory that what runs should be built from; "": nobody asks.
func examine(ctx context.Context, pool querier, config db.Config, checkout string) []finding {
	e := &examination{pool: pool, config: config, checkout: checkout}
	checks := []check{
		{"server", e.server},
		{"schema", e.schema},
		{"notify", e.notify},
		{"replicas", e.replicas},
		{"reconcile", e.reconcile},
		{"stuck", e.stuck},
		{"violations", e.violations},
	}
	if checkout != "" {
		checks = append(checks, check{"source", e.source})
	}
	findings := make([]finding, 0, len(checks))
	for _, check := range checks {
		if e.unmigrated && check.name != "notify" {
			continue // without a schema there is nothing to look at
		}
		f, err := check.look(ctx)
		if err != nil {
			f = finding{Status: statusWrong, Message: fmt.Sprintf("cannot be looked at: %v", err)}
		}
		f.Check = check.name
		if f.Details == nil {
			f.Details = []string{}
		}
		findings = append(findings, f)
	}
	return findings
}
