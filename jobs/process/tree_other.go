//go:build !linux

package process

import (
	"os"
	"syscall"
)

// executable is this program.
func executable() (string, error) { return os.Executable() }

// attributes puts a command into a group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// adopt does nothing: only Linux has subreapers.
func adopt() {}

// closeAllOnExec does nothing: descriptors that Go opens are closed anyway.
func closeAllOnExec() {}

// descendants are not looked for: the process group is all that can be reached here.
func descendants() (pids []int, all bool) { return nil, false }

// groupLives says whether the group of the command still has a member.
func groupLives(pgid int) bool { return syscall.Kill(-pgid, 0) == nil }
