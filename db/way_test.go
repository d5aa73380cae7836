package db_test

import (
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// way is a TCP connection to a server that can be cut, or go silent.
type way struct {
	// url leads to the server on this way.
	url string

	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  []net.Conn
	silent chan struct{} // closed when it speaks again; nil while it speaks
}

// newWay opens a way to the server of a database until the end of the test.
func newWay(t *testing.T, raw string) *way {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	target, err := url.Parse(raw)
	require.NoError(t, err)
	w := &way{listener: listener, target: target.Host}
	target.Host = listener.Addr().String()
	w.url = target.String()
	w.running.Go(w.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		w.speak()
		w.cut()
		w.running.Wait()
	})
	return w
}

func (w *way) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp4", w.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, client, server)
		w.mu.Unlock()
		w.running.Go(func() { w.carry(server, client) })
		w.running.Go(func() { w.carry(client, server) })
	}
}

// carry brings bytes from one end to the other, but none while it is silent.
func (w *way) carry(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			w.mu.Lock()
			silent := w.silent
			w.mu.Unlock()
			if silent != nil {
				<-silent
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut ends all connections.
func (w *way) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		_ = conn.Close()
	}
	w.conns = nil
}

// fallSilent lets nothing through, without ending anything.
func (w *way) fallSilent() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent == nil {
		w.silent = make(chan struct{})
	}
}

// speak lets everything through again.
func (w *way) speak() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent != nil {
		close(w.silent)
		w.silent = nil
	}
}
