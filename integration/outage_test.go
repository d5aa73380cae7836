//go:build linux

package integration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// outagePlan has commands that go on through an outage, and steps that end during it.
func outagePlan(c *cluster.Cluster) string {
	return fmt.Sprintf(`
name: outage
steps:
  - {key: a, kind: exec, with: &hold %s}
  - {key: b, kind: exec, with: *hold}
  - {key: c, kind: exec, with: &ends %s}
  - {key: d, kind: exec, with: *ends}
  - {key: nap, kind: sleep, with: {duration: 1s}}
  - {key: all, kind: exec, needs: [a, b, c, d, nap], with: %s}
`, c.Work("until", "go"), c.Work("until", "down"), c.Work("for", "0.01"))
}

// TestW3DatabaseDownLongerThanTheLease stops PostgreSQL for more than two leases. Nothing that lives is lost, neither
// what goes on through it nor what ends during it.
func TestW3DatabaseDownLongerThanTheLease(t *testing.T) {
	t.Parallel()
	server := cluster.NewServer(t)
	c := cluster.New(t, cluster.Config{URL: server.URL, Flags: []string{"--lease", "4s", "--heartbeat", "1s", "--queue", "exec=2"}})
	replicas := []*cluster.Replica{c.Serve(), c.Serve()}
	run := c.Submit(replicas[0], outagePlan(c))
	for _, key := range []string{"a", "b", "c", "d"} {
		c.Until(key+" has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: key}) })
	}
	server.Stop()
	c.Touch("down")
	c.Pass(9 * time.Second)
	for _, key := range []string{"c", "d"} {
		require.True(t, c.Noted(cluster.Entry{What: "end", Step: key}), "it ended while the database was down")
	}
	server.Start()
	c.Pool.Reset()
	for _, r := range replicas {
		c.Until(r.String()+" is there again", func() bool {
			return cluster.Value[bool](c, `select coalesce(bool_or(seen_at > p.steady_since and lease_until > clock_timestamp()), false) from weir.workers, weir.pulse p where pid = $1`, r.PID())
		})
	}
	c.Until("somebody may be declared lost", func() bool {
		return cluster.Value[bool](c, `select steady_since < clock_timestamp() - interval '6 seconds' from weir.pulse`)
	})
	c.Touch("go")
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	for key, s := range c.Steps(run) {
		require.Equal(t, 1, s.Attempt, key)
	}
	require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.late_reports`))
	c.NeverTwice()
	c.NoViolations()
	for _, r := range replicas {
		r.Stop()
	}
}

// TestW3DatabaseDoesNotAnswer is the same with a database that is there and does not answer, which is no error for a
// long time. One replica gets through first: it has not heard of the other one for longer than a lease, and gives it
// another one.
func TestW3DatabaseDoesNotAnswer(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: []string{"--lease", "6s", "--heartbeat", "1500ms", "--queue", "exec=2"}})
	proxies := []*cluster.Proxy{c.Proxy(), c.Proxy()}
	replicas := []*cluster.Replica{c.ServeAt(proxies[0].URL), c.ServeAt(proxies[1].URL)}
	run := c.Submit(replicas[0], outagePlan(c))
	for _, key := range []string{"a", "b", "c", "d"} {
		c.Until(key+" has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: key}) })
	}
	for _, p := range proxies {
		p.Freeze()
	}
	c.Touch("down")
	c.Pass(7 * time.Second)
	proxies[0].Thaw()
	var last time.Time
	for range 4 { // the first beat may be one that was kept back; after the one before last, leases were looked at
		c.Until("the next beat", func() bool {
			beat := cluster.Value[time.Time](c, `select beat_at from weir.pulse`)
			defer func() { last = beat }()
			return !last.IsZero() && !beat.Equal(last)
		})
	}
	proxies[1].Thaw()
	c.Until("somebody may be declared lost", func() bool {
		return cluster.Value[bool](c, `select steady_since < clock_timestamp() - interval '8 seconds' from weir.pulse`)
	})
	c.Touch("go")
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	for key, s := range c.Steps(run) {
		require.Equal(t, 1, s.Attempt, key)
	}
	c.NeverTwice()
	c.NoViolations()
}
