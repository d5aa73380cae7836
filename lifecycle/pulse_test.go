package lifecycle

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPulse(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	g.steady()
	p, err := g.e.beat(t.Context())
	require.NoError(t, err)
	require.False(t, p.mine, "somebody else did just now")
	require.InDelta(t, 3600, p.now.Sub(p.steadySince).Seconds(), 5)

	g.sql("update weir.pulse set beat_at = clock_timestamp() - interval '1.5 seconds'")
	p, err = g.e.beat(t.Context())
	require.NoError(t, err)
	require.True(t, p.mine)
	require.InDelta(t, 3600, p.now.Sub(p.steadySince).Seconds(), 5, "no gap")

	for _, gap := range []string{"4 seconds", "-2 seconds"} {
		g.steady()
		g.sql("update weir.pulse set beat_at = clock_timestamp() - $1::interval", gap)
		p, err = g.e.beat(t.Context())
		require.NoError(t, err)
		require.True(t, p.mine)
		require.InDelta(t, 0, p.now.Sub(p.steadySince).Seconds(), 2, "a gap, or the clock went back")
	}

	g.sql("delete from weir.pulse")
	p, err = g.e.beat(t.Context())
	require.NoError(t, err)
	require.InDelta(t, 0, p.now.Sub(p.steadySince).Seconds(), 2)
}

func TestPulseHasOneOwnerASecond(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	g.steady()
	g.sql("update weir.pulse set beat_at = clock_timestamp() - interval '1 second'")
	mine := make(chan bool)
	const replicas = 8
	for range replicas {
		go func() {
			p, err := g.e.beat(t.Context())
			mine <- err == nil && p.mine
		}()
	}
	owners := 0
	for range replicas {
		if <-mine {
			owners++
		}
	}
	require.Equal(t, 1, owners)
	require.True(t, ask[bool](g, "select steady_since < clock_timestamp() - interval '59 minutes' from weir.pulse"), "waiting for each other is no gap")
}
