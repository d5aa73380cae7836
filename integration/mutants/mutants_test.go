package mutants_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/mutants"
)

func TestMutantsFit(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	all, err := mutants.List(root)
	require.NoError(t, err)
	require.Len(t, all, 5)
	for _, m := range all {
		require.NoError(t, m.Apply(root, true))
		require.NotEmpty(t, m.About, m.Name)
		require.Positive(t, m.Lines, m.Name)
		require.LessOrEqual(t, m.Lines, mutants.Most, m.Name)
	}
}
