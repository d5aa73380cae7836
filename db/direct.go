package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// CheckDirect tells whether conn has a server session of its own. Behind a connection pooler in transaction
// mode it has none: LISTEN hears nothing there, and an advisory lock of the session belongs to whoever gets
// that server connection next. The error then is a [ConnectError] that asks for the direct URL. It opens a
// second connection only if something stands between, so it costs one round trip where all is well. conn
// must be idle and outside a transaction.
func CheckDirect(ctx context.Context, conn *pgx.Conn) error {
	mine, err := backend(ctx, conn)
	if err != nil {
		return err
	}
	// A pooler makes up the process id that it greets its clients with. So do some proxies that give
	// every client its own session, hence the second look.
	if mine == conn.PgConn().PID() {
		return nil
	}
	second, err := pgx.ConnectConfig(ctx, conn.Config())
	if err != nil {
		return connectError(ctx, conn.Config(), err)
	}
	defer second.Close(context.WithoutCancel(ctx))
	tx, err := second.Begin(ctx)
	if err != nil {
		return fmt.Errorf("look for a connection pooler: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was written
	theirs, err := backend(ctx, tx)
	if err != nil {
		return err
	}
	if theirs != mine {
		// It may only have handed us another one for the second client. If ours is still ours while
		// that one is held, it is.
		again, err := backend(ctx, conn)
		if err != nil {
			return err
		}
		if again == mine {
			return nil
		}
	}
	return &ConnectError{
		What: fmt.Sprintf("%s is a connection pooler in transaction mode, and this needs a session of its own", address(conn.Config())),
		Hint: "give the server's own address with --direct-database-url (or WEIR_DIRECT_DATABASE_URL)",
	}
}

// backend is the process id of the server session that answers.
func backend(ctx context.Context, q Querier) (uint32, error) {
	var pid int32
	if err := q.QueryRow(ctx, "select pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid); err != nil {
		return 0, fmt.Errorf("look for a connection pooler: %w", err)
	}
	return uint32(pid), nil
}
