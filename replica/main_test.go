package replica

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirqueue/weir/jobs"
)

// TestMain also guards the commands of kind exec that tests run.
func TestMain(m *testing.M) {
	if handled, code := jobs.ExecMain(os.Args[1:]); handled {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second
