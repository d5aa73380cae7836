package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weirqueue/weir/replica"
)

// The exit codes.
const (
	exitDone        = 0
	exitError       = 1
	exitUsage       = 2   // the command line, or a plan, cannot be read
	exitRunFailed   = 3   // of --wait
	exitRunCanceled = 4   // of --wait
	exitTimeout     = 5   // --timeout passed, the run goes on
	exitInterrupted = 130 // the run goes on
)

// usageError is a command line that cannot be read.
type usageError struct{ what, try string }

// Error is what is wrong.
func (e *usageError) Error() string { return e.what }

// Try is the command that helps.
func (e *usageError) Try() string { return e.try }

// failure is an error with a command that helps. err may be nil.
type failure struct {
	what, try string
	err       error
}

// Error is what is wrong.
func (e *failure) Error() string { return e.what }

// Try is the command that helps.
func (e *failure) Try() string { return e.try }

// Unwrap is what is behind it.
func (e *failure) Unwrap() error { return e.err }

// outcome is an end that is no success of the command, with an exit code of its own.
type outcome struct {
	failure
	code int
}

// exitCode ends the command with a code when everything has been said already.
type exitCode int

// Error is never printed.
func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// report prints an error, once, and answers the exit code. Whatever the error is made of, no line of it can start like
// another one's, and no control character gets to the terminal.
func report(stderr io.Writer, err error) int {
	var silent exitCode
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &silent):
		return int(silent)
	}
	fmt.Fprintln(stderr, "weir: "+printableLines(err.Error()))
	var helpful interface{ Try() string }
	if errors.As(err, &helpful) && helpful.Try() != "" {
		fmt.Fprintln(stderr, "try: "+printableLines(helpful.Try()))
	}
	var unreadable *usageError
	var refused *replica.ConfigError
	var ended *outcome
	var faulty *planError
	switch {
	case errors.As(err, &ended):
		return ended.code
	case errors.As(err, &unreadable), errors.As(err, &refused), errors.As(err, &faulty):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitError
}

// printableLines is a text without control characters, its lines after the first one indented.
func printableLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n      ")
}
