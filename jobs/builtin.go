package jobs

import (
	"errors"
	"net/netip"

	"github.com/weirqueue/weir/jobs/process"
)

// BuiltinConfig says how the kinds that every replica brings behave.
type BuiltinConfig struct {
	// EnableExec registers kind exec: steps may run commands on this machine.
	EnableExec bool
	// ExecDir is where commands without a workspace run; "" = the working directory of this process.
	ExecDir string
	// PassEnv names the variables of this process that commands get, beside PATH, HOME, LANG and TMPDIR; "*" = all but
	// WEIR_* and PG*.
	PassEnv []string
	// WorkspaceDir is where workspaces are made; "" = DefaultWorkspaceDir.
	WorkspaceDir string
	// Environ is the environment of this process, KEY=value.
	Environ []string
	// HTTPAllow are private networks that http steps may reach all the same.
	HTTPAllow []netip.Prefix
	// MaxOutput is the most bytes that an output may have, as in SupervisorConfig; 1 MiB.
	MaxOutput int64
}

// RegisterBuiltin registers the kinds noop, sleep and http, and exec where it is enabled. Programs that enable exec
// call [ExecMain] first thing in main.
func RegisterBuiltin(reg *Registry, c BuiltinConfig) error {
	if c.MaxOutput == 0 {
		c.MaxOutput = 1 << 20
	}
	errs := []error{registerNoop(reg), registerSleep(reg), registerHTTP(reg, c)}
	if c.EnableExec {
		errs = append(errs, registerExec(reg, c))
	}
	return errors.Join(errs...)
}

// ExecMain makes the process the guard of a command when its arguments (without the program's name) say so. It is
// called first thing in main, and in TestMain of tests that run commands; when handled is true the process ends with
// code. See package process.
func ExecMain(args []string) (handled bool, code int) { return process.Main(args) }
