package process

import (
	"io"
	"time"
)

// OrphanGrace is the most that a command has between TERM and KILL when its replica is gone: well within a lease, so
// that nothing runs twice.
const OrphanGrace = 3 * time.Second

// Exit codes by which shells say that a command could not be started.
const (
	ExitNotExecutable = 126
	ExitNotFound      = 127
)

// Spec says what to run.
type Spec struct {
	Command []string  // the program and its arguments; looked up in the PATH of Env
	Env     []string  // the whole environment, KEY=value
	Root    string    // a directory
	Dir     string    // where to run, relative to Root and never outside of it, through symlinks neither; "" = Root
	Stdin   []byte    // all of the command's standard input
	Stdout  io.Writer // gets what the command writes, from one goroutine; nil: discarded
	Stderr  io.Writer
	Grace   time.Duration // TERM to KILL when the replica vanishes, at most OrphanGrace
	Scratch string        // a directory that the guard removes when the replica vanishes; "" = none
}

// Result is how a command ended.
type Result struct {
	NotStarted string // why it could not be started; ExitCode is 126 or 127 then
	ExitCode   int    // -1 when a signal ended it
	Signal     string // its name, SIGKILL for one; "" when it exited
	Stopped    bool   // it was told to stop before it ended
	Killed     bool   // it was killed because it did not stop in time
	Lost       bool   // its guard died or did not answer; it was killed as far as it could be reached
}
