//go:build linux

package check

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRulesThatWait(t *testing.T) {
	t.Parallel()
	var names []string
	for _, r := range rules() {
		if onlyAtTheEnd(r.name) {
			names = append(names, r.name)
		}
	}
	require.Equal(t, []string{
		"acked-run-not-final", "run-was-not-asked-for", "success-without-execution", "fan-out-counts-wrong", "limit-counts-wrong", "slot-left-behind",
		"token-left-behind", "river-job-left-behind", "hint-left-behind", "run-in-quarantine", "invariant-broken",
	}, names, "each is the name of a rule")
}
