package docs_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// The page about plans has every field that there is, and no other.
func TestPlansHasEveryField(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("plans.md")
	require.NoError(t, err)
	schema := plan.Schema()
	require.ElementsMatch(t, slices.Collect(maps.Keys(schema.Properties)), column(t, string(text), "All fields of a plan", 0))
	require.ElementsMatch(t, slices.Collect(maps.Keys(schema.Properties["steps"].Items.Properties)), column(t, string(text), "All fields of a step", 0))
}

// The page about plans shows every plan of examples/plans.
func TestPlansShowsEveryExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("plans.md")
	require.NoError(t, err)
	files, err := filepath.Glob("../examples/plans/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		example, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(text), "```yaml\n"+string(example)+"```\n", file)
	}
}
