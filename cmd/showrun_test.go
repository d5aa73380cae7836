package cmd

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// TestRunTableShowsFlows has all that a run has only with limits, times, parents and outputs.
func TestRunTableShowsFlows(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("0198a8a0-1c2d-7e3f-8a4b-000000000001")
	key, step := "tenant/a", "sub"
	three, seven := int64(3), int64(7)
	later := noon.Add(time.Hour)
	run := client.Run{
		ID: id, Name: "load", State: "running", Cause: "submitted", Input: json.RawMessage("{}"), Output: json.RawMessage(`{"n":1}`),
		OutputError: &client.RunOutputError{Code: "expression_missing", Message: "the expression leads nowhere\nat all"}, OnFailure: "pause",
		Key: &key, PlanVersion: &three, MaxParallel: &seven, Parent: &client.RunParent{Run: id, Step: &step}, RerunOf: &id,
		CreatedAt: noon, CreatedBy: "local", StartAt: &later, DeadlineAt: &later,
	}
	show := func() string {
		var b bytes.Buffer
		table := newTable(&b)
		runTable(table, run, nil, noon)
		require.NoError(t, table.flush())
		return b.String()
	}
	text := show()
	for _, line := range []string{
		`output        {"n":1}`, "output        could not be made: the expression leads nowhere (expression_missing)", "key           tenant/a", "plan          load@3",
		"child of      run 0198a8a0-1c2d-7e3f-8a4b-000000000001 sub", "rerun of      0198a8a0-1c2d-7e3f-8a4b-000000000001",
		"starts at     2026-05-04T13:00:00Z", "times out     2026-05-04T13:00:00Z", "max parallel  7", "on failure    pause",
	} {
		require.Contains(t, text, line+"\n")
	}
	run.FinishedAt = &later
	require.NotContains(t, show(), "times out")
}
