//go:build linux

package workload

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"

	client "github.com/weirqueue/weir/openapi/client/go"
)

type pgxTx = pgx.Tx

// ask calls the API of one replica after another until one of them gives an answer that counts, or ctx ends. What says
// which call it is: from it and the seed follows who is asked.
func ask[T any](ctx context.Context, w *Workload, what string, do func(context.Context, *client.Weir) (client.Answer[T], error)) (client.Answer[T], error) {
	var last error
	for try := 0; ; try++ {
		if weir := w.server(what, try); weir != nil {
			call, cancel := context.WithTimeout(ctx, callWithin)
			answer, err := do(call, weir)
			late := call.Err() != nil
			cancel()
			switch {
			case err == nil:
				return answer, nil
			case ctx.Err() == nil && (late || client.Retryable(err)):
				w.count("calls repeated")
			case ctx.Err() == nil:
				return answer, err
			}
			last = err
		}
		if !pause(ctx, min(firstBackoff<<min(try, 10), maxBackoff)) {
			return client.Answer[T]{}, errors.Join(ctx.Err(), last)
		}
	}
}

// server is one of the replicas that should be up, nil: there is none.
func (w *Workload) server(what string, try int) *client.Weir {
	servers := w.config.Servers()
	if len(servers) == 0 {
		return nil
	}
	server := servers[number(w.config.Seed, "server", what, strconv.Itoa(try))%uint64(len(servers))]
	weir, err := client.New(client.Config{Server: server, HTTP: w.http, Attempts: 1, UserAgent: "weir-workload"})
	if err != nil {
		w.problem("call %s: %w", server, err)
		return nil
	}
	return weir
}

// code is why the API refuses something, "" if it does not.
func code(err error) client.ProblemCode {
	if problem, ok := errors.AsType[*client.Problem](err); ok {
		return problem.Code
	}
	return ""
}

// act does what an operator does, and counts it. It may come too late: the step or run may have ended, or be elsewhere.
func act[T any](ctx context.Context, w *Workload, what, about string, do func(context.Context, *client.Weir) (client.Answer[T], error)) bool {
	_, err := ask(ctx, w, what+" "+about, do)
	switch why := code(err); {
	case err == nil:
		w.count(what)
		return true
	case why == client.ProblemCodeIllegalTransition || why == client.ProblemCodeNotFound:
		w.count(what + ": " + string(why))
		return true
	case ctx.Err() != nil:
		w.count(what + ": not known")
	case why != "":
		w.problem("%s %s: %s: %w", what, about, why, err)
	default:
		w.problem("%s %s: %w", what, about, err)
	}
	return false
}

// list reads rows of one column.
func list[T any](ctx context.Context, w *Workload, sql string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	rows, err := w.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}

// table reads rows into structs whose fields are named like the columns.
func table[T any](ctx context.Context, w *Workload, sql string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	rows, err := w.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[T])
}
