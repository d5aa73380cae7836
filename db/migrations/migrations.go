// Package migrations brings a database to the schema that this binary works with, and back.
//
// It applies River's migrations first and Weir's after them, all in schema weir and under one advisory
// lock, so any number of replicas may call [Up] at the same time. River's run in a transaction each,
// because some of them need what another has committed; so do ours.
package migrations

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/weirqueue/weir/db"
)

// Needs is the least version of the schema that this binary can work with. Raise it when a query uses what
// a migration has brought, never sooner: until then old and new schemas both serve.
const Needs = 15

// schema is where everything lives, River's and goose's tables too.
const schema = "weir"

//go:embed *.sql
var files embed.FS

// Need is what this binary asks of the schema, for [db.CheckSchema].
func Need() db.Need {
	return db.Need{Version: Needs, Embedded: Latest(), River: LatestRiver()}
}

// Latest is the newest version of Weir's schema that this binary brings along.
func Latest() int {
	sources, err := sources(files)
	if err != nil {
		panic(err) // the files are part of the binary
	}
	return sources[len(sources)-1].version
}

// LatestRiver is the newest version of River's tables that this binary brings along.
func LatestRiver() int {
	all := riverMigrations()
	return all[len(all)-1].Version
}

// Fingerprint changes with every byte of every migration, Weir's and River's. Test databases are kept
// apart by it.
func Fingerprint() string {
	hash := sha256.New()
	for _, migration := range riverMigrations() {
		fmt.Fprintf(hash, "%d %s\x00%s\x00", migration.Version, migration.Name, migration.SQLUp)
	}
	sources, err := sources(files)
	if err != nil {
		panic(err) // the files are part of the binary
	}
	for _, source := range sources {
		content, err := files.ReadFile(source.name)
		if err != nil {
			panic(err) // the files are part of the binary
		}
		fmt.Fprintf(hash, "%s\x00%s\x00", source.name, content)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16]
}

// source is one migration file.
type source struct {
	version int
	name    string
}

// sources lists the migration files in the order of their versions, at least one.
func sources(fsys fs.FS) ([]source, error) {
	names, err := fs.Glob(fsys, "*.sql") // sorted, and the versions have leading zeros
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	list := make([]source, 0, len(names))
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, fmt.Errorf("read the version of migration %s: %w", name, err)
		}
		list = append(list, source{version: int(version), name: name})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("list the migrations: there are none")
	}
	return list, nil
}

// riverMigrations lists River's migrations in the order of their versions.
func riverMigrations() []rivermigrate.Migration {
	migrator, err := rivermigrate.New[pgx.Tx](riverpgxv5.New(nil), &rivermigrate.Config{Schema: schema, Logger: discard()})
	if err != nil {
		panic(err) // only a migration line that does not exist is refused
	}
	return migrator.AllVersions()
}
