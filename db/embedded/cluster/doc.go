// Package cluster makes PostgreSQL servers out of the binaries that a machine has or can download: it finds
// the binaries, picks the user that may run them, and prepares data directories. Packages embedded (the
// development server) and dbtest (the test server) stand on it; each starts its servers its own way.
package cluster
