package migrations

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db"
)

// State is how far a database is migrated.
type State struct {
	// Have is what the database says of itself; the zero value if it is not migrated.
	Have db.Schema
	// Need is what this binary asks for.
	Need db.Need
	// Migrations are all that this binary knows of, ours only, oldest first.
	Migrations []Migration
}

// Migration is one of ours.
type Migration struct {
	Version int
	Name    string
	// AppliedAt is when it was applied, by the database's clock; zero if it is pending.
	AppliedAt time.Time
}

// Pending counts the migrations that Up would apply, ours only.
func (s State) Pending() int {
	pending := 0
	for _, migration := range s.Migrations {
		if migration.AppliedAt.IsZero() {
			pending++
		}
	}
	return pending
}

// Status reads how far the database is migrated. It takes no lock and changes nothing, and a database that
// was never migrated is no error.
func Status(ctx context.Context, url string) (State, error) {
	return status(ctx, url, files)
}

func status(ctx context.Context, url string, fsys fs.FS) (State, error) {
	conn, err := db.Connect(ctx, db.Config{URL: url, AppName: "weir migrate"})
	if err != nil {
		return State{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	state := State{Need: Need()}
	state.Have, err = db.SchemaVersion(ctx, conn)
	if err != nil && !errors.Is(err, db.ErrNotMigrated) {
		return State{}, err
	}
	applied, err := applied(ctx, conn)
	if err != nil {
		return State{}, err
	}
	known, err := sources(fsys)
	if err != nil {
		return State{}, err
	}
	for _, source := range known {
		state.Migrations = append(state.Migrations,
			Migration{Version: source.version, Name: source.name, AppliedAt: applied[source.version]})
	}
	return state, nil
}

// applied reads goose's table: when each version was applied.
func applied(ctx context.Context, conn *pgx.Conn) (map[int]time.Time, error) {
	var exists bool
	if err := conn.QueryRow(ctx, "select to_regclass('weir.goose_version') is not null").Scan(&exists); err != nil {
		return nil, fmt.Errorf("look for goose's table: %w", err)
	}
	if !exists {
		return nil, nil
	}
	rows, err := conn.Query(ctx, "select version_id, tstamp at time zone 'UTC' from weir.goose_version where version_id > 0 and is_applied")
	if err != nil {
		return nil, fmt.Errorf("read goose's table: %w", err)
	}
	times := make(map[int]time.Time)
	var version int
	var at time.Time
	if _, err := pgx.ForEachRow(rows, []any{&version, &at}, func() error {
		times[version] = at
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read goose's table: %w", err)
	}
	return times, nil
}
