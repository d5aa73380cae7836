package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// NamedPlan is a version of a named plan.
type NamedPlan struct {
	Name        string
	Version     int             // from 1
	Plan        json.RawMessage // as it was put; nil in lists
	Digest      string          // SHA-256 of its canonical form, in hexadecimal
	Description string          // the plan's
	CreatedAt   time.Time
	CreatedBy   string
}

// PlanPutRequest puts a plan under its name.
type PlanPutRequest struct {
	Plan  *plan.Plan
	Text  json.RawMessage // the same, as it was given
	Actor string          // token:NAME or local
}

// PlanPut makes a plan the latest version of its name. The plan that already is makes no new version; an older one does,
// so that whoever goes back to it gets what they ask for. Any number of plans may be put at the same time: each one that
// differs from the version before it gets the next number. Whether replicas have the kinds of its steps is looked at when
// it is run. made is false for a version that was there.
func (e *Engine) PlanPut(ctx context.Context, request PlanPutRequest) (put *NamedPlan, made bool, err error) {
	canonical, err := plan.Canonical(request.Text)
	if err != nil {
		return nil, false, planInvalidError(err)
	}
	digest := sha256.Sum256(canonical)
	for {
		row, err := e.q.PlanPut(ctx, queries.PlanPutParams{
			Name: request.Plan.Name, Plan: canonical, Digest: digest[:], Description: request.Plan.Description, CreatedBy: request.Actor,
		})
		if errors.Is(err, pgx.ErrNoRows) {
			continue // somebody else got the number, so there is one version more each time
		}
		if err != nil {
			return nil, false, mapError(err)
		}
		put, err := e.PlanGet(ctx, request.Plan.Name, int(row.Version))
		return put, row.Made, err
	}
}

// PlanGet reads a version of a named plan; 0: the latest.
func (r *Reader) PlanGet(ctx context.Context, name string, version int) (*NamedPlan, error) {
	row, err := planGet(ctx, r.queries(), name, version)
	if err != nil {
		return nil, readError(err)
	}
	return &NamedPlan{
		Name: row.Name, Version: int(row.Version), Plan: row.Plan, Digest: hex.EncodeToString(row.Digest),
		Description: row.Description, CreatedAt: row.CreatedAt, CreatedBy: row.CreatedBy,
	}, nil
}

// planGet is PlanGet in a transaction.
func planGet(ctx context.Context, q *queries.Queries, name string, version int) (*queries.WeirPlan, error) {
	row, err := q.PlanGet(ctx, queries.PlanGetParams{Name: name, Version: int32(version)})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, planNotFound(version)
	case err != nil:
		return nil, err
	}
	return &row, nil
}

func planNotFound(version int) error {
	if version == 0 {
		return &Error{Code: CodeNotFound, Message: "there is no plan with this name"}
	}
	return &Error{Code: CodeNotFound, Message: "the plan has no such version, or there is no plan with this name"}
}

// PlanList lists the latest version of each named plan, by name.
func (r *Reader) PlanList(ctx context.Context, request PageRequest) (Page[NamedPlan], error) {
	limit, err := request.limit()
	if err != nil {
		return Page[NamedPlan]{}, err
	}
	after, err := parseNameCursor(request.Cursor, planCursorLetter)
	if err != nil {
		return Page[NamedPlan]{}, err
	}
	rows, err := r.queries().PlanList(ctx, queries.PlanListParams{After: after, Max: oneMore(limit)})
	if err != nil {
		return Page[NamedPlan]{}, readError(err)
	}
	plans := make([]NamedPlan, len(rows))
	for i, row := range rows {
		plans[i] = namedPlan(queries.PlanVersionsRow(row))
	}
	return page(plans, limit, func(p NamedPlan) string { return nameCursor(planCursorLetter, p.Name) }), nil
}

// PlanVersions lists the versions of a named plan, newest first.
func (r *Reader) PlanVersions(ctx context.Context, name string, request PageRequest) (Page[NamedPlan], error) {
	limit, err := request.limit()
	if err != nil {
		return Page[NamedPlan]{}, err
	}
	var place versionPlace
	if request.Cursor != "" {
		if err := decodeCursor(request.Cursor, versionCursorLetter, &place); err != nil {
			return Page[NamedPlan]{}, err
		}
	}
	rows, err := r.queries().PlanVersions(ctx, queries.PlanVersionsParams{Name: name, Before: place.Version, Max: oneMore(limit)})
	switch {
	case err != nil:
		return Page[NamedPlan]{}, readError(err)
	case len(rows) == 0 && request.Cursor == "":
		return Page[NamedPlan]{}, planNotFound(0)
	}
	plans := make([]NamedPlan, len(rows))
	for i, row := range rows {
		plans[i] = namedPlan(row)
	}
	return page(plans, limit, func(p NamedPlan) string { return encodeCursor(versionCursorLetter, versionPlace{int32(p.Version)}) }), nil
}

func namedPlan(row queries.PlanVersionsRow) NamedPlan {
	return NamedPlan{
		Name: row.Name, Version: int(row.Version), Digest: hex.EncodeToString(row.Digest), Description: row.Description,
		CreatedAt: row.CreatedAt, CreatedBy: row.CreatedBy,
	}
}

// PlanDiff is what differs between two versions of a named plan, as a unified diff of their YAML; "": nothing. Version 0
// of to is the latest one, of from the one before to.
func (r *Reader) PlanDiff(ctx context.Context, name string, from, to int) (*PlanDifference, error) {
	newer, err := r.PlanGet(ctx, name, to)
	if err != nil {
		return nil, err
	}
	if from == 0 {
		if from = newer.Version - 1; from == 0 {
			return nil, &Error{Code: CodeInvalidRequest, Message: "the first version has none before it: say which ones to compare"}
		}
	}
	older, err := r.PlanGet(ctx, name, from)
	if err != nil {
		return nil, err
	}
	text, err := diffPlans(older, newer)
	if err != nil {
		return nil, fmt.Errorf("compare version %d of plan %s with %d: %w", from, name, newer.Version, err)
	}
	return &PlanDifference{Name: name, From: from, To: newer.Version, Diff: text}, nil
}

// Runnable is a version of a named plan that can be run.
type Runnable struct {
	Plan    *plan.Plan
	Version int
}

// PlanNamed is what a request to run a named plan means, within limits. Errors: [CodeNotFound], and [CodePlanInvalid] when
// the plan has faults with the input and labels of the request.
func (r *Reader) PlanNamed(ctx context.Context, named plan.Named, limits plan.Limits) (*Runnable, error) {
	found, err := planGiven(ctx, r.queries(), named, limits)
	if err != nil {
		return nil, readError(err)
	}
	return found, nil
}

// planGiven is PlanNamed in a transaction.
func planGiven(ctx context.Context, q *queries.Queries, named plan.Named, limits plan.Limits) (*Runnable, error) {
	row, err := planGet(ctx, q, named.Name, named.Version)
	if err != nil {
		return nil, err
	}
	p, err := limits.ParseWith(row.Plan, named.Input, named.Labels)
	if err != nil {
		return nil, planInvalidError(err)
	}
	return &Runnable{Plan: p, Version: int(row.Version)}, nil
}

// planInvalidError is the error of a text that was read as a plan.
func planInvalidError(err error) error {
	if faults, ok := errors.AsType[plan.Faults](err); ok {
		return planInvalid(faults)
	}
	return err
}
