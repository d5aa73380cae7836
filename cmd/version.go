package cmd

import (
	"fmt"
	"runtime"

	"github.com/weirqueue/weir/db/migrations"
	"github.com/weirqueue/weir/replica"
)

// version tells what this binary is, and asks nobody for it.
type version struct {
	outputFlags
}

// binary is the answer of version.
type binary struct {
	Build      replica.Build `json:"build"`
	Schema     int           `json:"schema"`       // the newest that it brings
	SchemaMin  int           `json:"schema_needs"` // the least that it works with
	RiverMin   int           `json:"river_schema"` // the least of River's tables that it works with
	GoVersion  string        `json:"go"`
	GoPlatform string        `json:"platform"`
}

// Run implements the command.
func (c *version) Run(inv *invocation) error {
	b := binary{
		Build: replica.ReadBuild(), Schema: migrations.Latest(), SchemaMin: migrations.Needs, RiverMin: migrations.LatestRiver(),
		GoVersion: runtime.Version(), GoPlatform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	return c.print(inv.stdout, b, func(t *tableWriter) {
		t.line("weir " + printable(b.Build.String()))
		if b.Build.Revision != nil {
			t.line("revision  " + printable(*b.Build.Revision) + modified(b.Build))
		}
		if b.Build.Time != nil {
			t.line("of        " + b.Build.Time.UTC().Format("2006-01-02T15:04:05Z07:00"))
		}
		t.line(fmt.Sprintf("schema    brings %d, works with %d or later", b.Schema, b.SchemaMin))
		t.line(fmt.Sprintf("River     works with schema %d or later", b.RiverMin))
		t.line("go        " + b.GoVersion + " " + b.GoPlatform)
	})
}

func modified(b replica.Build) string {
	if b.Modified {
		return ", with changes that were not committed"
	}
	return ""
}
