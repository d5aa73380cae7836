package migrations

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// lockKey is "weirmigr". Keys of one bigint and keys of two ints do not meet, and reconcile uses the latter.
const lockKey int64 = 0x776569726d696772

// lockEvery is how often a held lock is asked for again, about.
const lockEvery = 100 * time.Millisecond

// lock takes the advisory lock of migrations for the session of conn, for as long as ctx lasts. It asks
// again and again instead of waiting inside one statement: such a statement holds a snapshot, and the
// holder's "create index concurrently" would wait for it.
func lock(ctx context.Context, conn *pgx.Conn, logger *slog.Logger) error {
	for tries := 0; ; tries++ {
		var locked bool
		if err := conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", lockKey).Scan(&locked); err != nil {
			return fmt.Errorf("take the migration lock: %w", err)
		}
		if locked {
			return nil
		}
		if tries == 10 {
			logger.InfoContext(ctx, "waiting for another process that migrates this database")
		}
		wait := time.NewTimer(lockEvery/2 + rand.N(lockEvery))
		select {
		case <-ctx.Done():
			wait.Stop()
			return fmt.Errorf("take the migration lock: %w", ctx.Err())
		case <-wait.C:
		}
	}
}
