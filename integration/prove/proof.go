//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/integration/prove/check"
	"github.com/weirqueue/weir/integration/prove/ledger"
	"github.com/weirqueue/weir/integration/prove/workload"
)

// Bounds of patience.
const (
	glance    = 20 * time.Millisecond
	settles   = 4 * time.Minute // for everything to end once the faults are over
	checks    = 2 * time.Minute // for the checker
	lookAgain = 100 * time.Millisecond
)

// proof is one cluster, what happens to it, and what is found.
type proof struct {
	*program

	options
	lacking  []string // what this machine does not have
	faults   []fault
	builds   builds
	server   *cluster.Server
	cluster  *cluster.Cluster
	seats    []*seat
	ledger   *ledger.Writer
	watcher  *check.Watcher
	workload *workload.Workload
	offset   time.Duration // of the database's clock

	logsRead map[string]int64 // bytes of the replicas' logs, by their paths
	named    time.Duration    // from the beginning of the load until a violation was found along the way; 0: none was

	mu         sync.Mutex
	played     []played
	underway   map[int]time.Duration // since when a replica has its fault
	seatOf     map[string]int        // by the names of processes
	violations []check.Violation     // what the checker cannot see
}

// builds are the binaries.
type builds struct{ plain, other, clock, command string }

// violate keeps something that must not be.
func (p *proof) violate(v check.Violation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.violations = append(p.violations, v)
}

// tell shows what goes on.
func (p *proof) tell(what fmt.Stringer) {
	if p.Verbose {
		p.Logf("%s", what)
	}
}

// prepare builds, starts the server, and makes places for replicas.
func (p *proof) prepare() {
	const worker = "github.com/weirqueue/weir/integration/prove/worker"
	p.builds = builds{
		plain:   cluster.BinaryOf(p, cluster.Build{Package: worker}),
		other:   cluster.BinaryOf(p, cluster.Build{Package: worker, Version: "v0.0.0-other"}),
		clock:   cluster.BinaryOf(p, cluster.Build{Package: worker, Clock: true}),
		command: cluster.BinaryOf(p, cluster.Build{Package: "github.com/weirqueue/weir/integration/prove/command"}),
	}
	config := cluster.ServerConfig{Settings: map[string]string{"max_wal_size": "128MB", "min_wal_size": "64MB", "max_connections": "300", "deadlock_timeout": "500ms"}}
	config.Clock = !slices.Contains(p.lacking, "clock")
	if !slices.Contains(p.lacking, "disk") {
		config.Disk = int64(512+100*p.Minutes) << 20
	}
	p.server = cluster.NewServerWith(p, config)
	p.cluster = cluster.New(p, cluster.Config{
		URL: p.server.URL, Binary: p.builds.plain,
		Flags: append([]string{
			"--lease", lease.String(), "--heartbeat", heartbeat.String(), "--log-format", "json", "--log-level", "info", "--shutdown-grace", "3s",
		}, workload.Flags()...),
	})
	var err error
	if p.ledger, err = ledger.Open(p.cluster.Dir); err != nil {
		p.Fatalf("%v", err)
	}
	for i := range p.Replicas {
		p.seats = append(p.seats, p.newSeat(i))
	}
	logger := slog.New(slog.NewJSONHandler(p.logFile("prove.jsonl"), nil))
	p.watcher = check.NewWatcher(p.server.URL, logger.With("of", "watcher"))
	p.workload, err = workload.New(workload.Config{
		Seed: p.Seed, Database: p.server.URL, Servers: p.servers, Command: p.builds.command, Logger: logger.With("of", "workload"),
		Rate: p.Rate, Outstanding: p.Outstanding,
	})
	if err != nil {
		p.Fatalf("%v", err)
	}
	p.Cleanup(p.workload.Close)
}

func (p *proof) logFile(name string) *os.File {
	file, err := os.Create(filepath.Join(p.cluster.Dir, name))
	if err != nil {
		p.Fatalf("make a log: %v", err)
	}
	p.Cleanup(func() { _ = file.Close() })
	return file
}

// servers are the addresses that can be expected to answer, or all of them if none can.
func (p *proof) servers() []string {
	var up, all []string
	for _, s := range p.seats {
		all = append(all, "http://"+s.door.Address)
		if s.up() {
			up = append(up, "http://"+s.door.Address)
		}
	}
	if len(up) == 0 {
		return all
	}
	return up
}

// run makes it happen: load and faults together, then an end of all that was begun.
func (p *proof) run() {
	ctx := p.Context()
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	seating, stopSeating := context.WithCancel(ctx)
	defer stopSeating()
	making, stopMaking := context.WithCancel(ctx) // load and faults
	defer stopMaking()
	loading, stopLoading := context.WithTimeout(making, p.length())
	defer stopLoading()

	var watch, seats, load, faults, looking sync.WaitGroup
	watch.Go(func() {
		if err := p.watcher.Run(watching); err != nil && watching.Err() == nil {
			p.Fatalf("watch the tables: %v", err)
		}
	})
	for _, s := range p.seats {
		seats.Go(func() { s.run(seating) })
	}
	for ctx.Err() == nil && !slices.ContainsFunc(p.seats, (*seat).up) {
		pass(ctx, glance)
	}
	began := ledger.Now()
	load.Go(func() {
		if err := p.workload.Run(loading); err != nil && ctx.Err() == nil {
			p.violate(check.Violation{Rule: "answer-is-wrong", What: err.Error()})
		}
	})
	for who := -1; who < p.Replicas; who++ {
		faults.Go(func() {
			p.play(making, began, slices.DeleteFunc(slices.Clone(p.faults), func(f fault) bool { return f.Replica != who }))
		})
	}
	looking.Go(func() { p.lookAlong(making, began, stopMaking) })
	faults.Wait()
	for _, s := range p.seats {
		s.heal()
	}
	load.Wait()
	stopMaking()
	looking.Wait()
	if p.named == 0 {
		p.Logf("the faults are over after %s; what was begun is brought to its end", (ledger.Now() - began).Round(time.Second))
		p.settle(ctx)
	}
	stopSeating()
	seats.Wait()
	pass(ctx, 2*lookAgain)
	stopWatching()
	watch.Wait()
}

// settle waits until everything has ended.
func (p *proof) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settles)
	defer cancel()
	if err := p.workload.Settle(ctx); err != nil && p.Context().Err() == nil {
		p.violate(check.Violation{Rule: "run-does-not-end", What: err.Error()})
	}
	p.clean(ctx)
}

// clean waits until reconcile has nothing left to do.
func (p *proof) clean(ctx context.Context) {
	for ctx.Err() == nil {
		var left int
		err := p.cluster.Pool.QueryRow(ctx, `select count(*)::int from weir.dirty`).Scan(&left)
		if err == nil && left == 0 {
			return
		}
		pass(ctx, lookAgain)
	}
}

// verdict is what the checker says about everything that is known.
func (p *proof) verdict() (check.Report, error) {
	if err := p.noteLate(); err != nil {
		return check.Report{}, err
	}
	entries, err := ledger.Read(p.cluster.Dir)
	if err != nil {
		return check.Report{}, err
	}
	evidence := check.Evidence{
		Ledger: entries, Acks: p.workload.Acks(), Asked: p.workload.Asked(),
		Snapshots: p.watcher.Snapshots(), Samples: p.watcher.Samples(), Moves: p.watcher.Moves(), Forgotten: p.watcher.Forgotten(),
	}
	if err := evidence.Save(p.cluster.Dir); err != nil {
		return check.Report{}, err
	}
	ctx, cancel := context.WithTimeout(p.Context(), checks)
	defer cancel()
	judge := check.Check
	if p.named > 0 { // nobody has waited for anything to end
		judge = check.SoFar
	}
	report, err := judge(ctx, p.cluster.Pool, evidence)
	report.Violations = slices.Concat(p.violations, lostThoughAlive(p.played, p.seatOf, entries, evidence.Moves), report.Violations)
	return report, err
}

// prove makes a proof, and tells what came of it: nil, or why it is none.
func prove(ctx context.Context, o options) error {
	p := &proof{program: newProgram(ctx, o.out), options: o, seatOf: map[string]int{}, underway: map[int]time.Duration{}, logsRead: map[string]int64{}}
	defer p.clear()
	p.Cleanup(cluster.RemoveBinaries)
	done := make(chan struct{})
	var report check.Report
	var err error
	go func() {
		defer close(done)
		for _, lack := range unavailable() {
			p.Logf("%s", lack.why)
			p.lacking = append(p.lacking, lack.what)
		}
		p.faults = schedule(p.Seed, p.length(), p.Replicas, p.lacking)
		p.Logf("seed %d · schedule %s of %d faults · %d replicas · %s", p.Seed, digest(p.faults), len(p.faults), p.Replicas, p.length())
		p.prepare()
		p.run()
		report, err = p.verdict()
	}()
	<-done
	if p.Failed() {
		return errors.New(p.reason())
	}
	if err != nil {
		return err
	}
	p.table(report)
	return p.conclude(report)
}
