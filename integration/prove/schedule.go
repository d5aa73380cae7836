//go:build linux

package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// What replicas have to stand: a lease that runs out within seconds, so that a minute sees some.
const (
	lease     = 5 * time.Second
	heartbeat = time.Second
)

// Kinds of faults, of which a schedule is made.
const (
	kill            = "kill -9"
	terminate       = "SIGTERM"
	freeze          = "SIGSTOP beyond the lease"
	otherBuild      = "restart with another build"
	wrongClock      = "restart with a clock an hour off"
	silence         = "database does not answer"
	latency         = "latency"
	cut             = "connections cut"
	cutCommitted    = "cut after COMMIT arrived"
	cutUncommitted  = "cut before COMMIT arrived"
	deafness        = "LISTEN silently dead"
	apiCut          = "API connections cut"
	apiSilence      = "API does not answer"
	backends        = "backends terminated"
	restartFast     = "PostgreSQL restart, fast"
	restartAtOnce   = "PostgreSQL restart, immediate"
	serverCrash     = "PostgreSQL kill -9"
	outage          = "PostgreSQL down beyond the lease"
	clockForward    = "database clock an hour ahead"
	clockBack       = "database clock back"
	heldXmin        = "held xmin"
	heldLocks       = "lock timeouts"
	diskFull        = "disk full"
	fillsDisk       = 4 * time.Second
	outageAddition  = 3 * time.Second
	freezeAddition  = 2 * time.Second
	clockBackBy     = 5 * time.Second
	clockForwardBy  = time.Hour
	replicaClockOff = time.Hour
)

// kindOf says how a kind of fault is played.
type kindOf struct {
	name     string
	server   bool // it is the server's, else one replica's
	min, max time.Duration
	needs    string // what a machine may lack: "clock", "disk"
}

// kinds are all that there are.
func kinds() []kindOf {
	return []kindOf{
		{name: kill, min: 100 * time.Millisecond, max: 1500 * time.Millisecond},
		{name: terminate, min: 100 * time.Millisecond, max: 500 * time.Millisecond},
		{name: freeze, min: lease + freezeAddition, max: lease + 2*freezeAddition},
		{name: otherBuild},
		{name: wrongClock},
		{name: silence, min: 300 * time.Millisecond, max: lease + freezeAddition},
		{name: latency, min: 2 * time.Second, max: 5 * time.Second},
		{name: cut},
		{name: cutCommitted, min: time.Second, max: 2 * time.Second},
		{name: cutUncommitted, min: time.Second, max: 2 * time.Second},
		{name: deafness, min: 3 * time.Second, max: 6 * time.Second},
		{name: apiCut},
		{name: apiSilence, min: 500 * time.Millisecond, max: 3 * time.Second},
		{name: backends, server: true},
		{name: restartFast, server: true},
		{name: restartAtOnce, server: true},
		{name: serverCrash, server: true},
		{name: outage, server: true, min: lease + outageAddition, max: lease + 2*outageAddition},
		{name: clockForward, server: true, needs: "clock"},
		{name: clockBack, server: true, needs: "clock"},
		{name: heldXmin, server: true, min: 3 * time.Second, max: 8 * time.Second},
		{name: heldLocks, server: true, min: time.Second, max: 3 * time.Second},
		{name: diskFull, server: true, min: time.Second, max: fillsDisk, needs: "disk"},
	}
}

// fault is one entry of a schedule.
type fault struct {
	At      time.Duration // since the beginning
	Lasts   time.Duration
	Kind    string
	Replica int // which one; -1: the server
	Chance  uint64
}

func (f fault) String() string {
	return fmt.Sprintf("%8s %-34s replica %2d for %s", f.At.Round(time.Millisecond), f.Kind, f.Replica, f.Lasts.Round(time.Millisecond))
}

// Pauses between the faults of one replica, and of the server.
const (
	settling       = 2 * time.Second
	replicaPause   = 4 * time.Second
	serverPause    = 5 * time.Second
	serverRestarts = 1 * time.Second // how long a restart is planned to take
)

// schedule makes the faults of so many minutes, for so many replicas: always the same ones for a seed. lacking are
// things that this machine does not have.
func schedule(seed uint64, length time.Duration, replicas int, lacking []string) []fault {
	var all []fault
	for who := -1; who < replicas; who++ {
		chance := rand.New(rand.NewPCG(seed, uint64(who+2)))
		all = append(all, track(chance, length, who, lacking)...)
	}
	slices.SortStableFunc(all, func(a, b fault) int { return int(a.At - b.At) })
	return all
}

// track is what happens to one replica, or to the server, one after the other: every kind once in any order, and so on.
func track(chance *rand.Rand, length time.Duration, who int, lacking []string) []fault {
	var of, deck []kindOf
	pause := replicaPause
	if who < 0 {
		pause = serverPause
	}
	for _, k := range kinds() {
		if k.server == (who < 0) && !slices.Contains(lacking, k.needs) {
			of = append(of, k)
		}
	}
	var faults []fault
	for at := settling + between(chance, 0, pause); ; {
		if len(deck) == 0 {
			deck = slices.Clone(of)
			chance.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		k := deck[0]
		deck = deck[1:]
		f := fault{At: at, Lasts: between(chance, k.min, k.max), Kind: k.name, Replica: who, Chance: chance.Uint64()}
		if f.At+f.Lasts > length {
			return faults
		}
		faults = append(faults, f)
		at += f.Lasts + pause/2 + between(chance, 0, pause)
		if who < 0 {
			at += serverRestarts
		}
	}
}

func between(chance *rand.Rand, least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(chance.Int64N(int64(most-least)))
}

// digest is short for a schedule: two of the same digest are the same.
func digest(faults []fault) string {
	h := fnv.New64a()
	for _, f := range faults {
		_, _ = fmt.Fprintln(h, f, f.Chance)
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// listing is a schedule for people.
func listing(faults []fault) string {
	var b strings.Builder
	for _, f := range faults {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}
