package cmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/weirqueue/weir/db/migrations"
)

// migrate has the commands for the schema.
type migrate struct {
	Up     migrateUp     `cmd:"" help:"Apply what is missing. Safe to run from any number of places at once."`
	Down   migrateDown   `cmd:"" help:"Take migrations back, and everything that their tables held."`
	Status migrateStatus `cmd:"" help:"Tell which migrations are applied."`
}

// migrateUp applies what is missing.
type migrateUp struct {
	databaseFlags
	outputFlags
	logFlags
}

// migrated is the answer of up and down.
type migrated struct {
	Schema  int      `json:"schema"`
	River   int      `json:"river_schema"`
	Changed []string `json:"changed"`
}

// Run implements the command.
func (c *migrateUp) Run(inv *invocation) error {
	result, err := migrations.Up(inv.ctx, c.config(nil).Direct(), c.logger(inv.stderr))
	if err != nil {
		return err
	}
	return printMigrated(inv.stdout, c.outputFlags, result, "applied")
}

// migrateDown takes migrations back.
type migrateDown struct {
	databaseFlags
	outputFlags
	logFlags

	To  int  `required:"" placeholder:"VERSION" help:"The version to go back to; 0: nothing of Weir is left."`
	Yes bool `help:"Do not ask."`
}

// Run implements the command.
func (c *migrateDown) Run(inv *invocation) error {
	if c.To < 0 {
		return &usageError{what: "--to is a version, or 0", try: "weir migrate status"}
	}
	state, err := migrations.Status(inv.ctx, c.config(nil).Direct())
	if err != nil {
		return err
	}
	if c.To > state.Have.Version {
		return &failure{what: fmt.Sprintf("the database is at version %d, and --to %d is above it", state.Have.Version, c.To), try: "weir migrate up"}
	}
	if !c.Yes {
		fmt.Fprintf(inv.stderr, "This takes the schema from version %d back to %d and destroys what its tables hold. Type yes to go on: ", state.Have.Version, c.To)
		answer, err := bufio.NewReader(inv.stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the answer: %w", err)
		}
		if strings.TrimSpace(answer) != "yes" {
			return &failure{what: "nothing was changed, because nobody said yes", try: "weir migrate down --to " + strconv.Itoa(c.To) + " --yes"}
		}
	}
	result, err := migrations.Down(inv.ctx, c.config(nil).Direct(), c.To, c.logger(inv.stderr))
	if err != nil {
		return err
	}
	return printMigrated(inv.stdout, c.outputFlags, result, "taken back")
}

func printMigrated(w io.Writer, flags outputFlags, result migrations.Result, verb string) error {
	answer := migrated{Schema: result.Version, River: result.River, Changed: append([]string{}, result.Changed...)}
	return flags.print(w, answer, func(t *tableWriter) {
		for _, name := range answer.Changed {
			t.line(verb + " " + printable(name))
		}
		if len(answer.Changed) == 0 {
			t.line("nothing to do")
		}
		t.line(fmt.Sprintf("schema version %d, River's %d", answer.Schema, answer.River))
	})
}

// migrateStatus tells which migrations are applied.
type migrateStatus struct {
	databaseFlags
	outputFlags
}

// migrationStatus is the answer of status.
type migrationStatus struct {
	Schema     int                `json:"schema"`     // 0: not migrated
	Needs      int                `json:"needs"`      // the least that this binary works with
	Embeds     int                `json:"embeds"`     // the newest that this binary brings
	MinBinary  int                `json:"min_binary"` // what the database asks of binaries
	River      int                `json:"river_schema"`
	RiverNeeds int                `json:"river_needs"`
	Migrations []migrationApplied `json:"migrations"`
}

type migrationApplied struct {
	Version   int        `json:"version"`
	Name      string     `json:"name"`
	AppliedAt *time.Time `json:"applied_at"` // null: pending
}

// Run implements the command.
func (c *migrateStatus) Run(inv *invocation) error {
	state, err := migrations.Status(inv.ctx, c.config(nil).Direct())
	if err != nil {
		return err
	}
	answer := migrationStatus{
		Schema: state.Have.Version, Needs: state.Need.Version, Embeds: state.Need.Embedded, MinBinary: state.Have.MinBinary,
		River: state.Have.River, RiverNeeds: state.Need.River, Migrations: []migrationApplied{},
	}
	for _, m := range state.Migrations {
		applied := migrationApplied{Version: m.Version, Name: m.Name}
		if !m.AppliedAt.IsZero() {
			applied.AppliedAt = &m.AppliedAt
		}
		answer.Migrations = append(answer.Migrations, applied)
	}
	return c.print(inv.stdout, answer, func(t *tableWriter) {
		t.row("VERSION", "NAME", "APPLIED")
		for _, m := range answer.Migrations {
			at := "pending"
			if m.AppliedAt != nil {
				at = m.AppliedAt.Format(time.RFC3339)
			}
			t.row(strconv.Itoa(m.Version), m.Name, at)
		}
		t.line(fmt.Sprintf("the database is at %d, River's tables at %d; this binary needs %d and %d", answer.Schema, answer.River, answer.Needs, answer.RiverNeeds))
	})
}
