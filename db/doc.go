// Package db is the way to PostgreSQL: the pool, the errors, the listener and the schema check.
//
// It knows connections and SQLSTATEs, and nothing of runs and steps. A refusal by the database is
// handed on as an [Error] (SQLSTATE, constraint, hint), which package lifecycle alone gives a meaning;
// a connection that cannot be had is a [ConnectError], and a schema that does not fit this binary is a
// [SchemaError]. The last two have a Try method: the command that helps.
//
// PostgreSQL is the only authority, so nothing here caches what it says.
package db
