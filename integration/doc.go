// Package integration tests Weir as it is run: several operating-system processes on one PostgreSQL, and what happens
// to them. It has only tests; package cluster starts the processes. A test is named after the scenario that it proves.
package integration
