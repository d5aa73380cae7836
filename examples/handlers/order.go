package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

//go:embed order.yaml
var orderPlan []byte

// Order is what somebody wants to buy.
type Order struct {
	Item  string `json:"item"`
	Cents int64  `json:"cents"`
	Card  string `json:"card"`
}

// beginner starts transactions: a pool or a connection.
type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// createTable makes the shop's table, in a schema of the shop.
func createTable(ctx context.Context, conn interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
},
) error {
	_, err := conn.Exec(ctx, `
create schema if not exists shop;
create table if not exists shop.orders (
  run uuid primary key, -- what carries it out
  item text not null,
  cents bigint not null check (cents > 0)
)`)
	if err != nil {
		return fmt.Errorf("create the table of orders: %w", err)
	}
	return nil
}

// PlaceOrder stores an order and the run that carries it out: either both exist or none does. The run starts as soon as
// the transaction has committed.
func PlaceOrder(ctx context.Context, db beginner, o Order) (run uuid.UUID, err error) {
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		run, err = placeOrder(ctx, tx, o)
		return err
	})
	return run, err
}

// placeOrder does it in a transaction that may do more.
func placeOrder(ctx context.Context, tx pgx.Tx, o Order) (uuid.UUID, error) {
	p, err := plan.Parse(orderPlan)
	if err != nil {
		return uuid.Nil, fmt.Errorf("read the plan: %w", err)
	}
	if p.Input, err = json.Marshal(o); err != nil {
		return uuid.Nil, fmt.Errorf("write the run's input: %w", err)
	}
	run, err := lifecycle.SubmitTx(ctx, tx, p)
	if err != nil {
		return uuid.Nil, fmt.Errorf("submit the run of the order: %w", err)
	}
	if _, err := tx.Exec(ctx, `insert into shop.orders (run, item, cents) values ($1, $2, $3)`, run, o.Item, o.Cents); err != nil {
		return uuid.Nil, fmt.Errorf("store the order: %w", err)
	}
	return run, nil
}
