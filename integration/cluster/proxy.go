//go:build linux

package cluster

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Proxy is a way to the database, or to an API, on which things go wrong as they do on networks. Its methods may be
// called by anybody at any time, and faults add up: what is frozen is late as well. Nothing of it needs the server, which
// may come and go: while it is away, connections are refused.
type Proxy struct {
	// Address is where it listens, host:port.
	Address string
	// URL leads to the database through it; "" if it leads elsewhere.
	URL string

	listener net.Listener
	database bool
	ctx      context.Context //nolint:containedctx // of all connections
	running  sync.WaitGroup

	mu       sync.Mutex
	upstream target
	faults   faults
	changed  chan struct{} // closed when the faults change
	links    map[*link]bool
	cut      int // commits that were cut off
}

// target is where to dial.
type target struct{ network, address string }

// faults are what goes wrong at the moment.
type faults struct {
	frozen    bool
	blackhole bool
	latency   time.Duration
	jitter    time.Duration
	commits   commits
}

// commits says what happens to commits.
type commits int

const (
	commitsPass    commits = iota
	commitsLost            // they do not reach the server
	commitsReached         // their answer is lost
)

// Proxy makes a way to the database. It ends with the test.
func (c *Cluster) Proxy() *Proxy {
	c.t.Helper()
	config, err := pgx.ParseConfig(c.URL)
	if err != nil {
		c.t.Fatalf("read the URL of the database: %v", err)
	}
	through, err := url.Parse(c.URL)
	if err != nil {
		c.t.Fatalf("read the URL of the database: %v", err)
	}
	p := c.proxy(databaseTarget(config), true)
	through.Host = p.Address
	p.URL = through.String()
	return p
}

// ProxyTo makes a way to what listens on an address, host:port: an API, for example. It ends with the test. What needs
// the protocol of PostgreSQL, CutCommits, does nothing there.
func (c *Cluster) ProxyTo(address string) *Proxy {
	c.t.Helper()
	return c.proxy(target{"tcp", address}, false)
}

func (c *Cluster) proxy(to target, database bool) *Proxy {
	c.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatalf("listen: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{
		Address: listener.Addr().String(), listener: listener, database: database, ctx: ctx,
		upstream: to, changed: make(chan struct{}), links: map[*link]bool{},
	}
	p.running.Go(p.accept)
	c.t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		p.running.Wait()
	})
	return p
}

// databaseTarget is where to dial the server.
func databaseTarget(config *pgx.ConnConfig) target {
	if config.Host != "" && config.Host[0] == '/' {
		return target{"unix", config.Host + "/.s.PGSQL." + strconv.Itoa(int(config.Port))}
	}
	return target{"tcp", net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))}
}

// Redirect leads new connections to another address, host:port. The others stay where they are.
func (p *Proxy) Redirect(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.upstream = target{"tcp", address}
}

// Freeze keeps everything back from now on, in both directions, new connections and ends of connections too, as with a
// server or a network that does not answer any more.
func (p *Proxy) Freeze() { p.change(func(f *faults) { f.frozen = true }) }

// Thaw lets through what Freeze has kept back, and what comes.
func (p *Proxy) Thaw() { p.change(func(f *faults) { f.frozen = false }) }

// Latency delays everything, in each direction, by d and by chance up to jitter more; 0 and 0: not any more.
func (p *Proxy) Latency(d, jitter time.Duration) {
	p.change(func(f *faults) { f.latency, f.jitter = d, jitter })
}

// Blackhole loses what is sent from now on, in both directions. Connections stay open, and nobody hears of the end of
// one: who listens hears nothing, and gets no error.
func (p *Proxy) Blackhole() { p.change(func(f *faults) { f.blackhole = true }) }

// CutCommits cuts every connection, those that are made later too, at its next commit: either the server has been reached
// and has answered, and the answer is lost, or it has not been reached. A commit is a COMMIT, or a statement outside of a
// transaction that writes; see session for how both are known. Connections of TLS pass.
func (p *Proxy) CutCommits(reached bool) {
	p.change(func(f *faults) {
		f.commits = commitsLost
		if reached {
			f.commits = commitsReached
		}
	})
}

// CommitsCut is how many commits were cut off so far.
func (p *Proxy) CommitsCut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
}

// Heal ends all faults. Connections that have lost anything are reset.
func (p *Proxy) Heal() {
	p.change(func(f *faults) {
		*f = faults{}
		for l := range p.links {
			if l.hasLost() { // before anything goes on: what follows would be nonsense
				l.end(true)
			}
		}
	})
}

// Cut resets all connections that there are, also those that are kept back.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.end(true)
	}
}

// change changes the faults and tells everybody who waits.
func (p *Proxy) change(by func(*faults)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	by(&p.faults)
	close(p.changed)
	p.changed = make(chan struct{})
}

// now are the faults, and what is closed when they change.
func (p *Proxy) now() (faults, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults, p.changed
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		l := &link{proxy: p, client: conn, done: make(chan struct{}), session: newSession()}
		p.mu.Lock()
		p.links[l] = true
		p.mu.Unlock()
		p.running.Go(func() {
			defer context.AfterFunc(p.ctx, func() { l.end(false) })()
			l.run()
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.links, l)
		})
	}
}

// dial connects to the server.
func (p *Proxy) dial() (net.Conn, error) {
	p.mu.Lock()
	to := p.upstream
	p.mu.Unlock()
	var dialer net.Dialer
	return dialer.DialContext(p.ctx, to.network, to.address)
}

// counted counts a commit that was cut off.
func (p *Proxy) counted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut++
}
