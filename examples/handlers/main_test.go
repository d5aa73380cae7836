//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/jobs"
	"github.com/weirqueue/weir/lifecycle"
)

// envProgram makes the test binary the program that it tests.
const envProgram = "SHOP_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(envProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(cluster.Main(m))
}

// shop is a cluster with a replica that has the shop's handlers.
func shop(t *testing.T, flags ...string) *cluster.Cluster {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	c := cluster.New(t, cluster.Config{Binary: binary, Env: []string{envProgram + "=1"}})
	c.Serve(flags...)
	require.NoError(t, createTable(t.Context(), c.Pool))
	return c
}

// outputOf is the output of a step.
func outputOf(c *cluster.Cluster, run uuid.UUID, key string) string {
	return string(cluster.Value[json.RawMessage](c, `
select o.output from weir.steps s join weir.outputs o using (run_id, step, attempt) where s.run_id = $1 and s.key = $2`, run, key))
}

// An order and its run exist together or not at all, and the run starts when they do.
func TestOrderAndRunAreOneTransaction(t *testing.T) {
	t.Parallel()
	c := shop(t, "--poll-interval", "0") // what starts was told of

	changedMind := errors.New("the customer has changed their mind")
	err := pgx.BeginFunc(t.Context(), c.Pool, func(tx pgx.Tx) error {
		_, err := placeOrder(t.Context(), tx, Order{Item: "teapot", Cents: 1999, Card: "good"})
		require.NoError(t, err)
		return changedMind
	})
	require.ErrorIs(t, err, changedMind)
	_, err = PlaceOrder(t.Context(), c.Pool, Order{Item: "teapot", Cents: -1, Card: "good"})
	require.ErrorContains(t, err, "orders_cents_check", "the database refuses the order, after the run was submitted")
	require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.runs`))
	require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.river_job where kind in ('reserve', 'charge', 'ship')`))

	run, err := PlaceOrder(t.Context(), c.Pool, Order{Item: "teapot", Cents: 1999, Card: "good"})
	require.NoError(t, err)
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	require.Equal(t, 1, cluster.Value[int](c, `select count(*)::int from shop.orders join weir.runs on id = run`))
	require.JSONEq(t, `{"label": "1 from shelf A7"}`, outputOf(c, run, "ship"))
	require.JSONEq(t, fmt.Sprintf(`{"receipt": "1999 cents for %s/charge"}`, run), outputOf(c, run, "charge"))
	require.Equal(t, 1, cluster.Value[int](c, `select count(*)::int from weir.logs where run_id = $1 and text like 'shipped%shelf=A7%'`, run))
	c.NoViolations()
}

func TestOrderCommand(t *testing.T) {
	t.Parallel()
	c := shop(t)
	for card, want := range map[string]struct {
		run     lifecycle.RunState
		charge  lifecycle.StepState
		cause   lifecycle.Cause
		attempt int
		ship    lifecycle.StepState
	}{
		"good":     {lifecycle.RunSucceeded, lifecycle.StepSucceeded, lifecycle.CauseReported, 1, lifecycle.StepSucceeded},
		"busy":     {lifecycle.RunSucceeded, lifecycle.StepSucceeded, lifecycle.CauseReported, 2, lifecycle.StepSucceeded},
		"declined": {lifecycle.RunFailed, lifecycle.StepFailed, lifecycle.CausePermanent, 1, lifecycle.StepSkipped},
	} {
		order := c.Command("order", c.URL, "teapot", "1999", card)
		require.Zero(t, order.Wait(), order.Stderr())
		run, err := uuid.Parse(strings.TrimSpace(order.Stdout()))
		require.NoError(t, err)
		require.Equal(t, want.run, c.RunEnds(run), card)
		charge := c.Step(run, "charge")
		require.Equal(t, want.charge, charge.State, card)
		require.Equal(t, want.cause, charge.Cause, card)
		require.Equal(t, want.attempt, charge.Attempt, card)
		require.Equal(t, want.ship, c.Step(run, "ship").State, card)
	}
	c.NoViolations()
}

// A handler is a function: its test needs neither a database nor a replica.
func Example_test() {
	ctx := jobs.NewContext(context.Background(), &jobs.Attempt{Needs: map[string]lifecycle.Need{
		"reserve": {State: lifecycle.StepSucceeded, Output: []byte(`{"shelf": "B2", "count": 3}`)},
		"charge":  {State: lifecycle.StepSucceeded, Output: []byte(`{"receipt": "r1"}`)},
	}})
	out, err := ship(ctx, struct{}{})
	fmt.Println(out.Label, err)
	// Output: 3 from shelf B2 <nil>
}
