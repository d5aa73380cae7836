package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Schema is what a migrated database says of itself (weir.schema_info).
type Schema struct {
	// Version is the newest of our migrations that was applied.
	Version int
	// MinBinary is the oldest embedded version that a binary may have to run on it.
	MinBinary int
	// River is the newest of River's migrations that was applied.
	River int
	// Epoch changes with every database and every restore; it is part of every cursor.
	Epoch uuid.UUID
	// MigratedAt is when the last migration ended, by the database's clock.
	MigratedAt time.Time
}

// Need is what a binary asks of the schema. Package migrations has this binary's.
type Need struct {
	// Version is the least version of the schema that the binary can work with.
	Version int
	// Embedded is the newest version that the binary brings along.
	Embedded int
	// River is the least version of River's tables that the binary can work with.
	River int
}

// ErrNotMigrated is what [SchemaVersion] and [CheckSchema] find in a database without Weir's tables. It
// comes wrapped in a [SchemaError].
var ErrNotMigrated = errors.New("the database is not migrated: it has no schema weir")

// SchemaError says that schema and binary do not fit.
type SchemaError struct {
	// What is wrong, with both versions.
	What string
	// Hint is the command that helps.
	Hint string
	// Have is the database's side; the zero value if it is not migrated at all.
	Have Schema
	// Need is the binary's side.
	Need Need

	err error
}

// Error is What.
func (e *SchemaError) Error() string { return e.What }

// Try is the line to print after "try:".
func (e *SchemaError) Try() string { return e.Hint }

// Unwrap is [ErrNotMigrated], or nothing.
func (e *SchemaError) Unwrap() error { return e.err }

// Querier is a pool, a connection or a transaction.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const (
	schemaExists = `select to_regclass('weir.schema_info') is not null and to_regclass('weir.river_migration') is not null`
	schemaRead   = `
select version, min_binary, epoch, migrated_at, coalesce((select max(version) from weir.river_migration where line = 'main'), 0)
from weir.schema_info`
)

// SchemaVersion reads the version of the schema. A database that was never migrated is a [SchemaError] that
// wraps [ErrNotMigrated].
func SchemaVersion(ctx context.Context, q Querier) (Schema, error) {
	var exists bool
	if err := q.QueryRow(ctx, schemaExists).Scan(&exists); err != nil {
		return Schema{}, fmt.Errorf("look for the schema: %w", err)
	}
	if !exists {
		return Schema{}, notMigrated()
	}
	var schema Schema
	err := q.QueryRow(ctx, schemaRead).
		Scan(&schema.Version, &schema.MinBinary, &schema.Epoch, &schema.MigratedAt, &schema.River)
	var refusal *Error
	if found, ok := AsError(err); ok {
		refusal = found
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows), refusal != nil && refusal.SQLState == UndefinedTable:
		return Schema{}, notMigrated()
	case err != nil:
		return Schema{}, fmt.Errorf("read the schema version: %w", err)
	}
	return schema, nil
}

// CheckSchema is nil if a binary with these needs may run on this database, and a [SchemaError] if not. It
// is cheap and meant to be repeated while the binary runs.
func CheckSchema(ctx context.Context, q Querier, need Need) error {
	have, err := SchemaVersion(ctx, q)
	if mismatch, ok := errors.AsType[*SchemaError](err); ok {
		mismatch.Need = need
	}
	if err != nil {
		return err
	}
	return need.check(have)
}

// check is the rule: the database is new enough for the binary, and the binary for the database.
func (n Need) check(have Schema) error {
	switch {
	case have.Version < n.Version:
		return &SchemaError{
			What: fmt.Sprintf("the database is at schema version %d, and this binary needs at least %d", have.Version, n.Version),
			Hint: "weir migrate up", Have: have, Need: n,
		}
	case have.River < n.River:
		return &SchemaError{
			What: fmt.Sprintf("River's tables are at version %d, and this binary needs at least %d", have.River, n.River),
			Hint: "weir migrate up", Have: have, Need: n,
		}
	case n.Embedded < have.MinBinary:
		return &SchemaError{
			What: fmt.Sprintf("this binary knows schema version %d, and the database, at version %d, accepts only binaries that know %d or later", n.Embedded, have.Version, have.MinBinary),
			Hint: "deploy a newer weir ('weir version' tells what this one knows), or go back with the newer one's: weir migrate down", Have: have, Need: n,
		}
	}
	return nil
}

// notMigrated is the answer to a database without our tables.
func notMigrated() *SchemaError {
	return &SchemaError{What: ErrNotMigrated.Error(), Hint: "weir migrate up", err: ErrNotMigrated}
}
