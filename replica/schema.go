package replica

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirqueue/weir/api"
	"github.com/weirqueue/weir/db"
)

// How often the schema is looked at while the replica runs, and how long that may take.
const (
	schemaEvery  = 5 * time.Second
	schemaWithin = 5 * time.Second
)

// schemaWatch sees to it that the database stays in the range of this binary.
type schemaWatch struct {
	pool   *pgxpool.Pool
	need   db.Need
	logger *slog.Logger
	every  time.Duration // 0: schemaEvery

	last atomic.Pointer[db.Schema] // what was seen last
}

// Run looks every now and then, until ctx ends (nil) or the schema is out of range (a db.SchemaError).
func (s *schemaWatch) Run(ctx context.Context) error {
	every := s.every
	if every == 0 {
		every = schemaEvery
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		err := s.runOnce(ctx)
		var mismatch *db.SchemaError
		switch {
		case errors.As(err, &mismatch):
			return mismatch
		case err != nil && ctx.Err() == nil:
			s.logger.Debug("the schema version could not be read", "error", err)
		}
	}
}

// runOnce reads the schema version and compares it. Only a db.SchemaError says that it does not fit.
func (s *schemaWatch) runOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, schemaWithin)
	defer cancel()
	if err := db.CheckSchema(ctx, s.pool, s.need); err != nil {
		return err
	}
	have, err := db.SchemaVersion(ctx, s.pool)
	if err != nil {
		return err
	}
	s.last.Store(&have)
	return nil
}

// seen is what the API tells of the schema: what was seen last.
func (s *schemaWatch) seen() api.Schema {
	have := s.last.Load()
	if have == nil {
		return api.Schema{}
	}
	return api.Schema{Version: have.Version, MinBinary: have.MinBinary, River: have.River}
}
