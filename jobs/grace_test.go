package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/jobs/process"
	"github.com/weirqueue/weir/lifecycle"
)

func TestOrphansAreGoneBeforeTheLease(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ lease, grace, want time.Duration }{
		{15 * time.Second, 10 * time.Second, process.OrphanGrace},
		{2 * time.Second, 10 * time.Second, 400 * time.Millisecond},
		{2 * time.Second, 100 * time.Millisecond, 100 * time.Millisecond},
		{time.Hour, 10 * time.Minute, process.OrphanGrace},
	} {
		e := &execution{ctx: t.Context(), lease: c.lease, claim: lifecycle.Attempt{Grace: c.grace}}
		require.Equal(t, c.want, min(e.orphanGrace(), process.OrphanGrace), "%+v", c)
	}
}

func TestAProcessIsNotAbandonedBeforeItsEndIsKnown(t *testing.T) {
	t.Parallel()
	e := &execution{ctx: t.Context(), claim: lifecycle.Attempt{Grace: 5 * time.Second}}
	require.Less(t, e.killAfter(), e.patience())
	require.Less(t, e.patience(), e.grace())
	e.kills.Store(true)
	require.GreaterOrEqual(t, e.patience(), e.killAfter()+process.EndsWithin)
}
