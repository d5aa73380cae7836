package jobs

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the guard of the commands that the tests run.
func TestMain(m *testing.M) {
	if handled, code := ExecMain(os.Args[1:]); handled {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}
