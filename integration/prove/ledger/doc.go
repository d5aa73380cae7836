// Package ledger is what is known about executions apart from Weir's tables: a file to which everything that a step
// runs, in whatever process, adds a line when it starts and one when it ends.
//
// It is for Linux only.
package ledger
