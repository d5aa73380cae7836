//go:build linux

package integration_test

import (
	"os"
	"testing"

	"github.com/weirqueue/weir/integration/cluster"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// quick are flags that let what is lost be noticed within seconds. The lease is longer than what a command may take to
// end once its replica is gone (process.OrphanGrace).
func quick() []string { return []string{"--lease", "5s", "--heartbeat", "1s", "--log-level", "debug"} }
