package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// graphText is a plan of steps s0, s1, … with these needs, by index.
func graphText(needs [][]int) string {
	var b strings.Builder
	b.WriteString(`{"name":"g","steps":[`)
	for i, list := range needs {
		keys := make([]string, len(list))
		for k, need := range list {
			keys[k] = fmt.Sprintf(`"s%d"`, need)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"key":"s%d","kind":"noop","needs":[%s]}`, i, strings.Join(keys, ","))
	}
	b.WriteString("]}")
	return b.String()
}

// canReach is the oracle: which steps a step needs, directly or not, by Warshall's algorithm.
func canReach(needs [][]int) [][]bool {
	reach := make([][]bool, len(needs))
	for i, list := range needs {
		reach[i] = make([]bool, len(needs))
		for _, need := range list {
			reach[i][need] = true
		}
	}
	for k := range needs {
		for i := range needs {
			for j := range needs {
				reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
			}
		}
	}
	return reach
}

func TestCycleIsFoundIffThereIsOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "steps")
		density := rapid.IntRange(1, 30).Draw(t, "density")
		needs := make([][]int, n)
		for i := range needs {
			for j := range n {
				if i != j && rapid.IntRange(0, 99).Draw(t, "edge") < density {
					needs[i] = append(needs[i], j)
				}
			}
		}
		reach := canReach(needs)
		circles := map[int]bool{} // by the first step of each set that needs itself
		for i := range n {
			for j := range n {
				if reach[i][j] && reach[j][i] {
					circles[min(i, j)] = circles[min(i, j)] || !slices.ContainsFunc(seq(min(i, j)), func(k int) bool { return reach[k][i] && reach[i][k] })
				}
			}
		}
		want := 0
		for _, first := range circles {
			if first {
				want++
			}
		}
		_, err := plan.Parse([]byte(graphText(needs)))
		if want == 0 {
			require.NoError(t, err)
			return
		}
		var faults plan.Faults
		require.ErrorAs(t, err, &faults)
		require.Len(t, faults, want, "one for every set of steps that need each other")
		for _, f := range faults {
			require.Equal(t, plan.CodeCycle, f.Code)
			requireCycle(t, needs, f)
		}
	})
}

func seq(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// requireCycle checks that the named steps need each other one after the other, and that the path is that of the first need.
func requireCycle(t require.TestingT, needs [][]int, f plan.Fault) {
	index := func(key string) int {
		var i int
		_, err := fmt.Sscanf(key, "s%d", &i)
		require.NoError(t, err)
		return i
	}
	seen := map[string]bool{}
	for k, key := range f.Detail {
		require.False(t, seen[key], "a step stands in the cycle once")
		seen[key] = true
		next := f.Detail[(k+1)%len(f.Detail)]
		require.Contains(t, needs[index(key)], index(next))
	}
	first := index(f.Detail[0])
	for _, key := range f.Detail {
		require.LessOrEqual(t, first, index(key), "it starts with what comes first in the plan")
	}
	require.Equal(t, fmt.Sprintf("steps[%d].needs[%d]", first, slices.Index(needs[first], index(f.Detail[1]))), f.Path)
}

func TestNeedsBecomeOrdinals(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "steps")
		order := rapid.Permutation(seq(n)).Draw(t, "order") // a step needs only what comes before it in here
		needs := make([][]int, n)
		for k, i := range order {
			for _, j := range order[:k] {
				if rapid.Bool().Draw(t, "edge") {
					needs[i] = append(needs[i], j)
				}
			}
		}
		p, err := plan.Parse([]byte(graphText(needs)))
		require.NoError(t, err)
		for i, list := range needs {
			require.Len(t, p.Steps[i].NeedOrdinals, len(list))
			for k, j := range list {
				require.Equal(t, j+1, p.Steps[i].NeedOrdinals[k])
				require.Equal(t, p.Steps[j].Key, p.Steps[i].Needs[k])
			}
		}
	})
}

func TestLongChainsAndCycles(t *testing.T) {
	t.Parallel()
	const n = 100_000
	chain := make([][]int, n)
	for i := 1; i < n; i++ {
		chain[i] = []int{i - 1}
	}
	p, err := plan.Parse([]byte(graphText(chain)))
	require.NoError(t, err)
	require.Equal(t, []int{n - 1}, p.Steps[n-1].NeedOrdinals)

	chain[0] = []int{n - 1}
	_, err = plan.Parse([]byte(graphText(chain)))
	var faults plan.Faults
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 1)
	require.Len(t, faults[0].Detail, n)
	require.Less(t, len(faults[0].Message), 1000)
	requireCycle(t, chain, faults[0])
}

func TestUnknownNeedsAreGuessed(t *testing.T) {
	t.Parallel()
	_, err := plan.Parse([]byte("name: p\nsteps: [{key: build-all, kind: k}, {key: b, kind: k, needs: [buildall, test]}]"))
	var faults plan.Faults
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 2)
	require.Equal(t, "is the key of no step, did you mean build-all?", faults[0].Message)
	require.Equal(t, "is the key of no step", faults[1].Message)
}

func TestNeedsAreListedOnce(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"steps[1].needs[2] duplicate_key"},
		faultsOf(t, "name: p\nsteps: [{key: a, kind: k}, {key: b, kind: k, needs: [a, c, a]}, {key: c, kind: k}]"))
}

func TestDuplicatedKeysMakeNoCycle(t *testing.T) {
	t.Parallel()
	// Needs mean the first step of a key: the second a is no part of a circle.
	require.Equal(t, []string{"steps[2].key duplicate_key"},
		faultsOf(t, "name: p\nsteps: [{key: a, kind: k}, {key: b, kind: k, needs: [a]}, {key: a, kind: k, needs: [b]}]"))
}
