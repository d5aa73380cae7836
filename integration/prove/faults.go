//go:build linux

package main

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/integration/prove/ledger"
)

// played is a fault that has happened. Times are the ledger's.
type played struct {
	fault

	Began, Ended time.Duration
	Process      string // which one it befell, if it befell one
}

// play makes the faults of one replica, or of the server, happen at their times. What is begun is ended.
func (p *proof) play(ctx context.Context, began time.Duration, faults []fault) {
	for _, f := range faults {
		pass(ctx, began+f.At-ledger.Now())
		if ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		done := played{fault: f, Began: ledger.Now()}
		p.underway[f.Replica] = done.Began
		p.mu.Unlock()
		p.tell(f)
		if f.Replica < 0 {
			p.serverFault(ctx, f)
		} else {
			done.Process = p.seats[f.Replica].fault(ctx, f)
		}
		done.Ended = ledger.Now()
		p.mu.Lock()
		delete(p.underway, f.Replica)
		p.played = append(p.played, done)
		p.mu.Unlock()
	}
}

// fault makes one happen to the replica of the seat, and answers to which process.
func (s *seat) fault(ctx context.Context, f fault) string {
	chance := rand.New(rand.NewPCG(f.Chance, 0))
	switch f.Kind {
	case kill:
		return s.ends(s.kill, s.with(s.builds.plain), f.Lasts)
	case terminate:
		return s.ends(stop, s.with(s.builds.plain), f.Lasts)
	case otherBuild:
		return s.ends(stop, s.with(s.builds.other), again)
	case wrongClock:
		off := replicaClockOff
		if chance.IntN(2) == 0 {
			off = -off
		}
		return s.ends(s.kill, s.with(s.builds.clock, "WEIR_FAULT_CLOCK="+off.String()), again)
	case freeze:
		return s.freezes(ctx, f.Lasts)
	case silence:
		s.way.Freeze()
		s.ear.Freeze()
		pass(ctx, f.Lasts)
		s.way.Thaw()
		s.ear.Thaw()
	case latency:
		s.way.Latency(5*time.Millisecond+time.Duration(chance.Int64N(int64(30*time.Millisecond))), 5*time.Millisecond)
		pass(ctx, f.Lasts)
		s.way.Heal()
	case cut:
		s.way.Cut()
		s.ear.Cut()
	case cutCommitted, cutUncommitted:
		s.way.CutCommits(f.Kind == cutCommitted)
		pass(ctx, f.Lasts)
		s.way.Heal()
	case deafness:
		s.ear.Blackhole()
		pass(ctx, f.Lasts)
		s.ear.Heal()
	case apiCut:
		s.door.Cut()
	case apiSilence:
		s.door.Freeze()
		pass(ctx, f.Lasts)
		s.door.Thaw()
	default:
		s.Fatalf("there is no fault %q of a replica", f.Kind)
	}
	return ""
}

// kill ends a process with -9, and notes that what it ran has no end.
func (s *seat) kill(process *cluster.Process) {
	process.Kill()
	if err := s.ledger.Note(ledger.Entry{What: ledger.Killed, Replica: process.Name}); err != nil {
		s.Fatalf("%v", err)
	}
}

// stop lets a process end by itself.
func stop(process *cluster.Process) {
	terminates(process)
	process.Wait()
}

// serverFault makes one happen to the server.
func (p *proof) serverFault(ctx context.Context, f fault) {
	switch f.Kind {
	case backends:
		p.do(ctx, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and (pid + $1::bigint) % 4 < 3`, int64(f.Chance%1000))
	case restartFast:
		p.server.Stop()
		p.starts(ctx)
	case restartAtOnce:
		p.server.StopImmediately()
		p.starts(ctx)
	case serverCrash:
		p.server.Crash()
		p.starts(ctx)
	case outage:
		p.server.Stop()
		pass(ctx, f.Lasts)
		p.starts(ctx)
	case clockForward:
		p.offset += clockForwardBy
		p.server.SetClock(p.offset)
	case clockBack:
		p.offset -= clockBackBy
		p.server.SetClock(p.offset)
	case heldXmin:
		p.holds(ctx, f.Lasts, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, `select pg_current_xact_id()`, `select count(*) from weir.runs`)
	case heldLocks:
		p.holds(ctx, f.Lasts, pgx.TxOptions{}, []string{
			`select count(*) from (select from weir.steps where state = 'running' limit 3 for update) s`,
			`select count(*) from (select from weir.steps where state in ('available', 'retrying') limit 3 for update) s`,
			`select count(*) from (select from weir.runs where state = 'running' limit 3 for update) r`,
			`select count(*) from (select from weir.workers where lease_until > clock_timestamp() limit 1 for update) w`,
		}[f.Chance%4])
	case diskFull:
		p.server.FillDisk()
		pass(ctx, f.Lasts)
		p.server.FreeDisk()
		if p.server.Ended() {
			p.starts(ctx)
		}
	default:
		p.Fatalf("there is no fault %q of the server", f.Kind)
	}
}

// starts starts the server, which may take more than one time.
func (p *proof) starts(ctx context.Context) {
	for {
		err := p.server.TryStart()
		if err == nil {
			return
		}
		p.Logf("PostgreSQL does not start yet: %v", err)
		pass(ctx, again)
		if ctx.Err() != nil {
			return
		}
	}
}

// do changes something by a connection of its own. That it fails is part of the game.
func (p *proof) do(ctx context.Context, sql string, args ...any) {
	conn, err := pgx.Connect(ctx, p.server.URL)
	if err == nil {
		_, err = conn.Exec(ctx, sql, args...)
		_ = conn.Close(ctx)
	}
	if err != nil {
		p.Logf("a fault did not succeed: %v", err)
	}
}

// holds begins a transaction, does something in it, and stays in it for a while.
func (p *proof) holds(ctx context.Context, lasts time.Duration, options pgx.TxOptions, statements ...string) {
	conn, err := pgx.Connect(ctx, p.server.URL)
	if err != nil {
		p.Logf("a fault did not succeed: %v", err)
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tx, err := conn.BeginTx(ctx, options)
	for _, sql := range statements {
		if err == nil {
			_, err = tx.Exec(ctx, sql)
		}
	}
	if err != nil {
		p.Logf("a fault did not succeed: %v", err)
		return
	}
	pass(ctx, lasts)
	_ = tx.Rollback(context.WithoutCancel(ctx))
}

// terminates asks a process to end. It may have ended meanwhile.
func terminates(process *cluster.Process) { _ = syscall.Kill(process.PID(), syscall.SIGTERM) }
