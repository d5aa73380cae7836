package migrations

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/weirqueue/weir/db"
)

// Result is what a migration has done.
type Result struct {
	// Version and River are the versions that the database has now; 0: none.
	Version, River int
	// Changed names the migrations that were applied or taken back, in that order; empty if there was
	// nothing to do.
	Changed []string
}

// Up applies what is missing: River's migrations, then ours. It may be called by many processes at the same
// time; all but one wait, find nothing to do and return the same versions. url has to lead to the server
// itself: a pooler in transaction mode is refused with a [db.ConnectError]. A migration that fails is rolled
// back, those before it stay, and Up may be called again. A database that is newer than this binary is left
// as it is. logger may be nil.
func Up(ctx context.Context, url string, logger *slog.Logger) (Result, error) {
	return up(ctx, url, files, logger)
}

// Down takes back ours, newest first, until the database is at version to. With to = 0 it takes back
// River's as well, with all jobs in them, and leaves an empty schema weir. Everything that the tables held
// is gone then. Concurrency, url and logger are as in [Up].
func Down(ctx context.Context, url string, to int, logger *slog.Logger) (Result, error) {
	return down(ctx, url, to, files, logger)
}

func up(ctx context.Context, url string, fsys fs.FS, logger *slog.Logger) (result Result, err error) {
	s, err := open(ctx, url, fsys, logger)
	if err != nil {
		return Result{}, fmt.Errorf("migrate up: %w", err)
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	if err := s.riverTo(ctx, rivermigrate.DirectionUp, nil, &result); err != nil {
		return result, fmt.Errorf("migrate up: %w", err)
	}
	applied, err := s.goose.Up(ctx)
	for _, migration := range done(applied, err) {
		s.changed(ctx, &result, path.Base(migration.Source.Path), "up")
	}
	if err != nil {
		return result, fmt.Errorf("migrate up: %w", err)
	}
	return result, s.versions(ctx, &result)
}

func down(ctx context.Context, url string, to int, fsys fs.FS, logger *slog.Logger) (result Result, err error) {
	s, err := open(ctx, url, fsys, logger)
	if err != nil {
		return Result{}, fmt.Errorf("migrate down: %w", err)
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	if to < 0 {
		return Result{}, fmt.Errorf("migrate down: there is no version %d", to)
	}
	reverted, err := s.goose.DownTo(ctx, int64(to))
	for _, migration := range done(reverted, err) {
		s.changed(ctx, &result, path.Base(migration.Source.Path), "down")
	}
	if err != nil {
		return result, fmt.Errorf("migrate down: %w", err)
	}
	if to > 0 {
		return result, s.versions(ctx, &result)
	}
	all := &rivermigrate.MigrateOpts{TargetVersion: -1}
	if err := s.riverTo(ctx, rivermigrate.DirectionDown, all, &result); err != nil {
		return result, fmt.Errorf("migrate down: %w", err)
	}
	if _, err := s.lock.Exec(ctx, "drop table if exists "+schema+".goose_version"); err != nil {
		return result, fmt.Errorf("migrate down: drop goose's table: %w", err)
	}
	return result, nil
}

// riverTo runs River's migrations in one direction and checks afterwards that the lock is still ours.
func (s *session) riverTo(ctx context.Context, direction rivermigrate.Direction, opts *rivermigrate.MigrateOpts, result *Result) error {
	moved, err := s.river.Migrate(ctx, direction, opts)
	if err != nil {
		return fmt.Errorf("migrate the tables of River: %w", err)
	}
	for _, migration := range moved.Versions {
		s.changed(ctx, result, fmt.Sprintf("river %03d %s", migration.Version, migration.Name), string(direction))
	}
	return s.held(ctx)
}

// done are the migrations that were done, also when a later one failed.
func done(results []*goose.MigrationResult, err error) []*goose.MigrationResult {
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		return partial.Applied
	}
	return results
}

// changed notes one migration that has been done.
func (s *session) changed(ctx context.Context, result *Result, name, direction string) {
	result.Changed = append(result.Changed, name)
	s.logger.InfoContext(ctx, "migrated", "migration", name, "direction", direction)
}

// versions reads what the database has now.
func (s *session) versions(ctx context.Context, result *Result) error {
	have, err := db.SchemaVersion(ctx, s.lock)
	if err != nil {
		return fmt.Errorf("after migrating: %w", err)
	}
	result.Version, result.River = have.Version, have.River
	return nil
}
