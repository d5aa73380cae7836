// A shop that is a weir: its own handlers, in a binary that has all of weir's commands as well.
//
//	go run ./examples/handlers dev
//	go run ./examples/handlers submit examples/handlers/order.yaml --wait
//	go run ./examples/handlers order URL teapot 1999 good
//
// The last one is what a shop does: it stores an order and submits the run that carries it out, in one transaction. URL
// is the database's, which dev prints.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/cmd"
	"github.com/weirqueue/weir/jobs"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "order" {
		if err := orderCommand(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "shop:", err)
			os.Exit(1)
		}
		return
	}
	reg := jobs.NewRegistry()
	register(reg)
	os.Exit(cmd.Main(reg))
}

// orderCommand stores an order: URL ITEM CENTS CARD.
func orderCommand(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(args) != 4 {
		return fmt.Errorf("usage: order URL ITEM CENTS CARD")
	}
	cents, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return fmt.Errorf("CENTS is a whole number: %w", err)
	}
	conn, err := pgx.Connect(ctx, args[0])
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := createTable(ctx, conn); err != nil {
		return err
	}
	run, err := PlaceOrder(ctx, conn, Order{Item: args[1], Cents: cents, Card: args[3]})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, run)
	return nil
}
