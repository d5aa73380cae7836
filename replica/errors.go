package replica

import "fmt"

// ConfigError says why no replica can be made of a configuration. On the command line it is a usage error.
type ConfigError struct {
	What string // in one line without a full stop
	Hint string // what to do about it

	err error
}

// Error is What.
func (e *ConfigError) Error() string { return e.What }

// Try is the line to print after "try:".
func (e *ConfigError) Try() string { return e.Hint }

// Unwrap is what is behind it.
func (e *ConfigError) Unwrap() error { return e.err }

// Error says why a replica could not start, or had to end.
type Error struct {
	What string // in one line without a full stop
	Hint string // what to do about it

	err error
}

// Error is What.
func (e *Error) Error() string { return e.What }

// Try is the line to print after "try:".
func (e *Error) Try() string { return e.Hint }

// Unwrap is what is behind it.
func (e *Error) Unwrap() error { return e.err }

// MismatchError says that this binary is not the build that was to be run.
type MismatchError struct {
	Have Build
	Want string
}

// Error names both builds.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("this binary is build %s, and build %s is expected", e.Have, e.Want)
}

// Try is the line to print after "try:".
func (e *MismatchError) Try() string {
	return "deploy build " + e.Want + " ('weir version' tells which one a binary is), or correct --expect-build"
}
