package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirqueue/weir/jobs"
)

// register adds the shop's kinds. What is wrong with a registration is kept in the registry, and a replica does not
// start with one that has errors.
func register(reg *jobs.Registry) {
	_ = jobs.Handle(reg, "reserve", reserve)
	_ = jobs.Handle(reg, "charge", charge)
	_ = jobs.Handle(reg, "ship", ship)
}

// reserveInput is the `with` of kind reserve. Members are required unless their tag says omitempty or omitzero.
type reserveInput struct {
	Item  string `json:"item" jsonschema:"what is wanted"`
	Count int    `json:"count,omitzero" jsonschema:"how many of it, 1 if not given"`
}

type reserved struct {
	Shelf string `json:"shelf"`
	Count int    `json:"count"`
}

// reserve takes things from a shelf.
func reserve(ctx context.Context, in reserveInput) (reserved, error) {
	attempt := jobs.FromContext(ctx)
	count := max(in.Count, 1)
	for i := range count {
		if err := context.Cause(ctx); err != nil { // the deadline, a cancel, a shutdown: nothing more is done
			return reserved{}, err
		}
		attempt.Progress(100*float64(i+1)/float64(count), "reserved one more")
	}
	attempt.Logger().Info("reserved", "item", in.Item, "count", count)
	return reserved{Shelf: "A7", Count: count}, nil
}

type chargeInput struct {
	Cents int64  `json:"cents"`
	Card  string `json:"card"`
}

type charged struct {
	Receipt string `json:"receipt"`
}

// What a bank says.
var (
	errDeclined = errors.New("the bank has declined the card")
	errBusy     = errors.New("the bank is busy")
)

// charge asks the bank for money, with a key that is the same for every attempt: it is never taken twice.
func charge(ctx context.Context, in chargeInput) (charged, error) {
	attempt := jobs.FromContext(ctx)
	receipt, err := bank(attempt.IdempotencyKey(), in, attempt.Attempt)
	switch {
	case errors.Is(err, errDeclined):
		return charged{}, jobs.Permanent(err) // no retry, whatever the plan allows
	case errors.Is(err, errBusy):
		return charged{}, jobs.RetryAfter(err, 200*time.Millisecond) // no retry before that
	case err != nil:
		return charged{}, err
	}
	return charged{Receipt: receipt}, nil
}

// bank plays a bank: "declined" cards are, "busy" ones find it busy at the first attempt.
func bank(key string, in chargeInput, attempt int) (receipt string, err error) {
	switch {
	case in.Card == "declined":
		return "", errDeclined
	case in.Card == "busy" && attempt == 1:
		return "", errBusy
	}
	return fmt.Sprintf("%d cents for %s", in.Cents, key), nil
}

type shipped struct {
	Label string `json:"label"`
}

// ship reads what the steps before it have found out.
func ship(ctx context.Context, _ struct{}) (shipped, error) {
	from, err := jobs.NeedOutput[reserved](ctx, "reserve")
	if err != nil {
		return shipped{}, err
	}
	paid, err := jobs.NeedOutput[charged](ctx, "charge")
	if err != nil {
		return shipped{}, err
	}
	jobs.FromContext(ctx).Logger().Info("shipped", "shelf", from.Shelf, "receipt", paid.Receipt)
	return shipped{Label: fmt.Sprintf("%d from shelf %s", from.Count, from.Shelf)}, nil
}
