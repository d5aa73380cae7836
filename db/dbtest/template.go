package dbtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/migrations"
)

const (
	// templatePrefix is what the names of all templates start with; the fingerprint of the migrations
	// follows.
	templatePrefix = "weir_template_"
	// templatesKept is how many templates of other migrations stay: other checkouts may be at work.
	templatesKept = 4
	// templateLock is "weirtmpl": one process makes a template, the others wait for it.
	templateLock int64 = 0x77656972746d706c
	// invalidCatalogName is the SQLSTATE of a database that does not exist.
	invalidCatalogName = "3D000"
)

// clone makes a database out of the template of these migrations, and the template first if need be.
func (s *server) clone(ctx context.Context, name, fingerprint string) error {
	template := templatePrefix + fingerprint
	sql := "create database " + quote(name) + " template " + quote(template)
	err := s.exec(ctx, sql)
	if refusal, ok := db.AsError(err); !ok || refusal.SQLState != invalidCatalogName {
		return err
	}
	if err := s.makeTemplate(ctx, template); err != nil {
		return err
	}
	return s.exec(ctx, sql)
}

// makeTemplate migrates a database and then turns it into a template under its final name, so that nobody
// ever sees half of one.
func (s *server) makeTemplate(ctx context.Context, template string) error {
	return s.with(ctx, func(conn *pgx.Conn) error {
		// The lock goes with the connection.
		if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", templateLock); err != nil {
			return fmt.Errorf("wait for the template: %w", err)
		}
		var exists bool
		err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", template).Scan(&exists)
		if err != nil || exists {
			return err
		}
		if err := dropOldTemplates(ctx, conn); err != nil {
			return err
		}
		unfinished := databaseName("template")
		if _, err := conn.Exec(ctx, "create database "+quote(unfinished)+" template template0"); err != nil {
			return fmt.Errorf("make the template: %w", err)
		}
		if _, err := migrations.Up(ctx, s.url(unfinished), nil); err != nil {
			_, dropErr := conn.Exec(ctx, "drop database if exists "+quote(unfinished)+" with (force)")
			return errors.Join(fmt.Errorf("make the template: %w", err), dropErr)
		}
		for _, sql := range []string{
			"alter database " + quote(unfinished) + " with is_template true allow_connections false",
			"alter database " + quote(unfinished) + " rename to " + quote(template),
		} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("make the template: %w", err)
			}
		}
		return nil
	})
}

// dropOldTemplates drops all templates but the newest. Whoever still needs an older one makes it again.
func dropOldTemplates(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `
select datname from pg_database where datname like $1 || '%' and datistemplate order by oid desc offset $2`,
		templatePrefix, templatesKept-1)
	if err != nil {
		return fmt.Errorf("list old templates: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list old templates: %w", err)
	}
	for _, name := range names {
		_, err := conn.Exec(ctx, "alter database "+quote(name)+" with is_template false")
		if err == nil {
			_, err = conn.Exec(ctx, "drop database if exists "+quote(name)+" with (force)")
		}
		if err != nil {
			return fmt.Errorf("drop an old template: %w", err)
		}
	}
	return nil
}
