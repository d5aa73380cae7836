//go:build linux

// Command prove runs a cluster of real processes on a PostgreSQL server of its own under load, makes faults of every
// kind to both, and then has package check look whether anything was lost, done twice or told wrongly.
//
//	just prove --minutes 10 --seed 42 --replicas 4
//
// The last line is PASS, or FAIL with the first violation, the seed and where logs, evidence and database are kept.
package main
