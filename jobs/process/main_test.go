package process

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the guard of the commands that the tests start, and the replica that a test kills.
func TestMain(m *testing.M) {
	if handled, code := Main(os.Args[1:]); handled {
		os.Exit(code)
	}
	if script := os.Getenv("TEST_REPLICA_SCRIPT"); script != "" {
		p, err := Start(Spec{
			Command: []string{"sh", "-c", script}, Env: os.Environ(), Root: "/", Stdout: os.Stdout, Stderr: os.Stderr,
			Scratch: os.Getenv("TEST_REPLICA_SCRATCH"),
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		p.Wait()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
