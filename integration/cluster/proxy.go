//go:build linux

package cluster

import (
	"context"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
)

// Proxy is a way to the database that a test can freeze: everything that is sent then waits, in both directions, new
// connections too, as with a server or a network that does not answer any more.
type Proxy struct {
	// URL leads to the database through the proxy.
	URL string

	listener net.Listener
	network  string
	address  string
	ctx      context.Context //nolint:containedctx // of all connections
	running  sync.WaitGroup

	mu   sync.Mutex
	open chan struct{} // closed while it lets through
}

// Proxy makes a way to the database. It ends with the test.
func (c *Cluster) Proxy() *Proxy {
	c.t.Helper()
	config, err := pgx.ParseConfig(c.URL)
	if err != nil {
		c.t.Fatalf("read the URL of the database: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatalf("listen: %v", err)
	}
	through, err := url.Parse(c.URL)
	if err != nil {
		c.t.Fatalf("read the URL of the database: %v", err)
	}
	through.Host = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{URL: through.String(), listener: listener, ctx: ctx, open: make(chan struct{})}
	p.network, p.address = pgNetworkAddress(config)
	close(p.open)
	p.running.Go(p.accept)
	c.t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		p.running.Wait()
	})
	return p
}

// pgNetworkAddress is where to dial the server.
func pgNetworkAddress(config *pgx.ConnConfig) (network, address string) {
	if config.Host != "" && config.Host[0] == '/' {
		return "unix", config.Host + "/.s.PGSQL." + strconv.Itoa(int(config.Port))
	}
	return "tcp", net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
}

// Freeze keeps everything back from now on.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

// Thaw lets through what was kept back, and what comes.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.open)
}

// pass waits until the proxy lets through; false: it has ended.
func (p *Proxy) pass() bool {
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	select {
	case <-open:
		return true
	case <-p.ctx.Done():
		return false
	}
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.connect(conn) })
	}
}

func (p *Proxy) connect(from net.Conn) {
	defer from.Close()
	if !p.pass() {
		return
	}
	var dialer net.Dialer
	to, err := dialer.DialContext(p.ctx, p.network, p.address)
	if err != nil {
		return
	}
	defer to.Close()
	defer context.AfterFunc(p.ctx, func() { _, _ = from.Close(), to.Close() })()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			p.copy(way[1], way[0])
			_, _ = from.Close(), to.Close()
		})
	}
	both.Wait()
}

func (p *Proxy) copy(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !p.pass() {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			// What ended while the proxy was frozen is seen to have ended afterwards.
			p.pass()
			return
		}
	}
}
