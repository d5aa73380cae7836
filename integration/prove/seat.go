//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/integration/prove/check"
)

// again is how long after a process that could not start the next one is started.
const again = 300 * time.Millisecond

// seat is the place of one replica: an address, ways to the database, and one process after the other.
type seat struct {
	*proof

	number  int
	address string         // where its API listens
	way     *cluster.Proxy // to the database
	ear     *cluster.Proxy // to the database, for LISTEN
	door    *cluster.Proxy // to its API

	mu      sync.Mutex
	start   cluster.Start // of the next process
	down    time.Duration // how long the place stays empty before that
	process *cluster.Process
	asked   bool // the process was told to end
	frozen  bool
}

func (p *proof) newSeat(number int) *seat {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.Fatalf("find a port: %v", err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	s := &seat{proof: p, number: number, address: address, way: p.cluster.Proxy(), ear: p.cluster.Proxy(), door: p.cluster.ProxyTo(address)}
	s.start = s.with(p.builds.plain)
	return s
}

// with says how a process of a binary is started in this seat.
func (s *seat) with(binary string, env ...string) cluster.Start {
	return cluster.Start{
		Binary: binary, URL: s.way.URL, DirectURL: s.ear.URL, Env: env, Flags: []string{"--listen", s.address},
	}
}

// run keeps a replica in the seat until ctx ends, and then lets the last one end in peace.
func (s *seat) run(ctx context.Context) {
	for ctx.Err() == nil {
		process := s.launch()
		for !process.Ended() && ctx.Err() == nil {
			pass(ctx, glance)
		}
		if ctx.Err() == nil {
			pass(ctx, s.ended(process))
		}
	}
	s.mu.Lock()
	process := s.process
	s.asked = true
	s.mu.Unlock()
	if !process.Ended() {
		terminates(process)
		process.Wait()
	}
	s.ended(process)
}

func (s *seat) launch() *cluster.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process, s.asked, s.down = s.cluster.ServeWith(s.start), false, again
	s.proof.mu.Lock()
	defer s.proof.mu.Unlock()
	s.seatOf[s.process.Name] = s.number
	return s.process
}

// ended looks how a process has ended, and says how long its seat stays empty.
func (s *seat) ended(process *cluster.Process) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := process.Stderr()
	switch {
	case strings.Contains(log, "\npanic: ") || strings.Contains(log, "\nfatal error: "):
		s.violate(check.Violation{Rule: "replica-panicked", What: fmt.Sprintf("%s: %s", process, lastLines(log, 30))})
	case !s.asked && ready(process):
		s.violate(check.Violation{Rule: "replica-ended-by-itself", What: fmt.Sprintf("%s: code %d: %s", process, process.Wait(), lastLines(log, 5))})
	}
	return s.down
}

// ready says whether a process has ever taken on work.
func ready(process *cluster.Process) bool { return strings.Contains(process.Stdout(), "http://") }

// up says whether the API of the seat can be expected to answer.
func (s *seat) up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process != nil && !s.asked && !s.frozen && !s.process.Ended() && ready(s.process)
}

// ends ends the process of the seat, after which the next one is started as start says. It answers which one it was.
func (s *seat) ends(how func(*cluster.Process), start cluster.Start, down time.Duration) string {
	s.mu.Lock()
	process := s.process
	s.asked, s.start, s.down = true, start, down
	s.mu.Unlock()
	if process == nil {
		return ""
	}
	if !process.Ended() {
		how(process)
	}
	return process.Name
}

// freezes stops the process of the seat for a while.
func (s *seat) freezes(ctx context.Context, lasts time.Duration) string {
	s.mu.Lock()
	process := s.process
	s.frozen = process != nil && !process.Ended()
	frozen := s.frozen
	s.mu.Unlock()
	if !frozen {
		return ""
	}
	process.Freeze()
	pass(ctx, lasts)
	process.Thaw()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = false
	return process.Name
}

// heal makes the ways of the seat good again.
func (s *seat) heal() {
	for _, proxy := range []*cluster.Proxy{s.way, s.ear, s.door} {
		proxy.Heal()
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(len(lines)-n, 0):], "\n")
}
