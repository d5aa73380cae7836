package cmd

import (
	"log/slog"

	"github.com/weirqueue/weir/db"
)

// databaseFlags say which database.
type databaseFlags struct {
	DatabaseURL       string `setting:"" group:"Database" placeholder:"URL" help:"postgres://USER:PASSWORD@HOST:5432/DATABASE."`
	DirectDatabaseURL string `setting:"" group:"Database" placeholder:"URL" help:"The same database without a connection pooler between; only where there is one."`
	Pgbouncer         bool   `setting:"" group:"Database" help:"The database URL leads through PgBouncer in transaction mode."`
}

// config is the database's, with room for more.
func (f databaseFlags) config(logger *slog.Logger) db.Config {
	return db.Config{URL: f.DatabaseURL, DirectURL: f.DirectDatabaseURL, PgBouncer: f.Pgbouncer, Logger: logger}
}
