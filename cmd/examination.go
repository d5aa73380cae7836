package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/migrations"
	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/replica"
)

// querier is the pool that the doctor looks through.
type querier = *pgxpool.Pool

// What the doctor calls unusual or wrong.
const (
	maxDetails      = 20
	notifyWithin    = 5 * time.Second
	clockUnusual    = 2 * time.Second
	beatWrong       = 10 * time.Second
	dirtyWrong      = 30 * time.Second
	oldestPostgres  = 14
	newestPostgres  = 18
	versionNumMajor = 10000
)

// examination is one visit of the doctor.
type examination struct {
	pool       querier
	config     db.Config
	checkout   string // that what runs should be built from; "": nobody asks
	unmigrated bool   // there is nothing of Weir in the database
	workers    int    // that live
}

func (e *examination) q() *queries.Queries { return queries.New(e.pool) }

// server looks at PostgreSQL itself, and at its clock.
func (e *examination) server(ctx context.Context) (finding, error) {
	asked := time.Now()
	row, err := e.q().DoctorServer(ctx)
	if err != nil {
		return finding{}, err
	}
	took := time.Since(asked)
	skew := row.Now.Sub(asked.Add(took / 2)).Round(time.Millisecond)
	f := finding{Status: statusOK, Message: fmt.Sprintf("PostgreSQL %s, answers in %s", row.Version, took.Round(100*time.Microsecond))}
	if major := int(row.VersionNum) / versionNumMajor; major < oldestPostgres || major > newestPostgres {
		f.Status = statusUnusual
		f.Details = append(f.Details, fmt.Sprintf("Weir is tested on PostgreSQL %d to %d", oldestPostgres, newestPostgres))
	}
	if skew.Abs() > max(clockUnusual, took) {
		f.Status = statusUnusual
		f.Details = append(f.Details, fmt.Sprintf("its clock is %s from this machine's; only the database's counts, but times in logs will not fit together", skew))
	}
	if row.Fsync != "on" {
		f.Status, f.Hint = statusUnusual, "alter system set fsync = on"
		f.Details = append(f.Details, "fsync is off: what was committed does not survive a crash of the machine")
	}
	return f, nil
}

// schema compares the database with this binary.
func (e *examination) schema(ctx context.Context) (finding, error) {
	need := migrations.Need()
	err := db.CheckSchema(ctx, e.pool, need)
	if mismatch, ok := errors.AsType[*db.SchemaError](err); ok {
		e.unmigrated = errors.Is(err, db.ErrNotMigrated)
		return finding{Status: statusWrong, Message: mismatch.What, Hint: mismatch.Hint}, nil
	}
	if err != nil {
		return finding{}, err
	}
	have, err := db.SchemaVersion(ctx, e.pool)
	if err != nil {
		return finding{}, err
	}
	f := finding{Status: statusOK, Message: fmt.Sprintf("version %d, River's %d; this binary needs %d and brings %d", have.Version, have.River, need.Version, need.Embedded)}
	if have.Version < need.Embedded {
		f.Status, f.Hint = statusUnusual, "weir migrate up"
		f.Details = []string{fmt.Sprintf("%d migrations of this binary are not applied yet", need.Embedded-have.Version)}
	}
	return f, nil
}

// notify finds out whether notifications arrive on the way that replicas take.
func (e *examination) notify(ctx context.Context) (finding, error) {
	ctx, cancel := context.WithTimeout(ctx, notifyWithin)
	defer cancel()
	heard := make(chan struct{}, 1)
	listener := db.NewListener(db.ListenerConfig{
		URL: e.config.Direct(), Pool: e.pool, Channels: []string{db.ChannelDirty},
		Hear: func(string, string) {
			select {
			case heard <- struct{}{}:
			default:
			}
		},
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = listener.Run(ctx) // its status tells more
	}()
	arrived := false
	select {
	case <-heard: // told after a self-test that went well
		arrived = true
	case <-ctx.Done():
	}
	status := listener.Status()
	cancel()
	<-done
	if arrived {
		return finding{Status: statusOK, Message: fmt.Sprintf("notifications arrive in %s", status.Lag.Round(100*time.Microsecond))}, nil
	}
	return finding{
		Status: statusWrong, Message: "notifications do not arrive: replicas poll, and everything takes up to a second longer",
		Details: []string{status.LastError}, Hint: "--direct-database-url, if a connection pooler stands between",
	}, nil
}

// replicas looks at who works.
func (e *examination) replicas(ctx context.Context) (finding, error) {
	rows, err := e.q().DoctorWorkers(ctx, 1000)
	if err != nil {
		return finding{}, err
	}
	f := finding{Status: statusOK}
	var builds []string
	stale := 0
	for _, w := range rows {
		if w.Expired {
			stale++
			f.Details = append(f.Details, fmt.Sprintf("%s on %s (%s) has given no sign of life for %s", w.Name, w.Host, w.ID, milliseconds(w.SeenMsAgo)))
			continue
		}
		e.workers++
		if !slices.Contains(builds, w.Build) {
			builds = append(builds, w.Build)
		}
		if w.Notify == string(db.ModePoll) {
			f.Status = statusUnusual
			f.Details = append(f.Details, fmt.Sprintf("%s on %s (%s) hears no notifications and polls", w.Name, w.Host, w.ID))
		}
	}
	f.Message = fmt.Sprintf("%d live", e.workers)
	if len(builds) > 1 {
		f.Status = statusUnusual
		f.Message += fmt.Sprintf(", of %d builds: %s (this is %s)", len(builds), strings.Join(builds, ", "), replica.ReadBuild())
	}
	switch {
	case stale > 0:
		f.Status, f.Hint = statusWrong, "see the logs of those replicas; a replica that reconciles ends their leases"
		f.Message += fmt.Sprintf(", %d silent beyond their lease", stale)
	case e.workers == 0:
		f.Status, f.Hint = statusUnusual, "weir serve"
		f.Message = "none: nothing runs"
	}
	f.Details = shorten(f.Details)
	return f, nil
}

// reconcile looks at whether somebody moves things along.
func (e *examination) reconcile(ctx context.Context) (finding, error) {
	row, err := e.q().DoctorReconcile(ctx)
	if err != nil {
		return finding{}, err
	}
	beat, oldest := milliseconds(row.BeatMsAgo), milliseconds(row.OldestDirtyMs)
	f := finding{Status: statusOK, Message: fmt.Sprintf("last beat %s ago, %d hints to look at", beat, row.Dirty)}
	if row.Dirty > 0 {
		f.Message += fmt.Sprintf(", the oldest since %s", oldest)
	}
	switch {
	case row.Quarantined > 0:
		f.Status, f.Hint = statusWrong, "psql: select * from weir.quarantine"
		f.Details = []string{fmt.Sprintf("%d runs could not be reconciled and are set aside", row.Quarantined)}
	case e.workers > 0 && beat > beatWrong:
		f.Status, f.Hint = statusWrong, "see the replicas' logs"
		f.Details = []string{"replicas are alive, but none of them reconciles"}
	case e.workers > 0 && row.Dirty > 0 && oldest > dirtyWrong:
		f.Status, f.Hint = statusWrong, "see the replicas' logs; psql: select * from weir.stuck"
		f.Details = []string{"reconcile does not keep up"}
	}
	return f, nil
}

// stuck looks for what should have moved.
func (e *examination) stuck(ctx context.Context) (finding, error) {
	rows, err := e.q().DoctorStuck(ctx, maxDetails+1)
	if err != nil || len(rows) == 0 {
		return finding{Status: statusOK, Message: "nothing"}, err
	}
	f := finding{Status: statusWrong, Message: "some things should have moved", Hint: "psql: select * from weir.stuck"}
	if e.workers == 0 {
		f.Status = statusUnusual // nobody is there to move them
	}
	for _, r := range rows {
		f.Details = append(f.Details, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s: %s", r.RunID, r.Name, r.Key, r.State, r.Reason)), " "))
	}
	f.Details = shorten(f.Details)
	return f, nil
}

// violations looks for broken invariants.
func (e *examination) violations(ctx context.Context) (finding, error) {
	rows, err := e.q().DoctorViolations(ctx, maxDetails+1)
	if err != nil || len(rows) == 0 {
		return finding{Status: statusOK, Message: "none"}, err
	}
	f := finding{Status: statusWrong, Message: "invariants are broken", Hint: "psql: select * from weir.violations"}
	for _, r := range rows {
		where := r.RunID
		if r.Step != nil {
			where += fmt.Sprintf(" step %d", *r.Step)
		}
		f.Details = append(f.Details, fmt.Sprintf("%s: %s: %s", r.Rule, where, r.Message))
	}
	f.Details = shorten(f.Details)
	return f, nil
}

// shorten keeps a list readable.
func shorten(list []string) []string {
	if len(list) <= maxDetails {
		return list
	}
	return append(list[:maxDetails], "and more")
}

func milliseconds(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
