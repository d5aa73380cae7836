//go:build linux

package cluster

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// ahead is how many pieces are read before they can be delivered; then the sender waits.
const ahead = 64

// link is one connection through a proxy.
type link struct {
	proxy   *Proxy
	client  net.Conn
	session *session
	done    chan struct{} // closed when it has ended

	mu     sync.Mutex
	server net.Conn // nil: not yet
	ended  bool
	lost   bool // something that was sent was not delivered
}

// piece is what travels at once: some bytes, which are whole messages where the protocol is known, or the end.
type piece struct {
	data   []byte
	sizes  []int // of the messages; nil: no messages are known
	read   time.Time
	chance float64 // of the jitter
	end    bool
}

// run lives as long as the connection.
func (l *link) run() {
	defer l.end(false)
	if l.hold(piece{read: time.Now()}) != passes {
		return
	}
	server, err := l.proxy.dial()
	if err != nil || !l.connected(server) {
		return
	}
	toServer, toClient := reader(rawReader{l.client}), reader(rawReader{server})
	if l.proxy.database {
		toServer, toClient = newClientReader(l.client, l.session), newServerReader(server, l.session)
	}
	var both sync.WaitGroup
	both.Go(func() { l.carry(toServer, server, l.session.sent) })
	both.Go(func() { l.carry(toClient, l.client, l.session.received) })
	both.Wait()
}

// connected takes the connection to the server; false: nobody needs it any more.
func (l *link) connected(server net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		_ = server.Close()
		return false
	}
	l.server = server
	return true
}

// end closes both connections; with a reset both sides get an error, and what they have not read yet is gone.
func (l *link) end(reset bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.ended = true
	close(l.done)
	for _, conn := range []net.Conn{l.client, l.server} {
		if conn == nil {
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

func (l *link) hasLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

func (l *link) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = true
}

// fate is what happens to something that is sent.
type fate int

const (
	passes   fate = iota
	vanishes      // the connection stays
	swallows      // the connection is about to be cut
	cuts          // it does not arrive, and the connection ends
	over          // the connection has ended
)

// carry takes what one side sends to the other one until it ends. look decides about messages.
func (l *link) carry(from reader, to net.Conn, look func(message []byte, now commits) fate) {
	pieces := make(chan piece, ahead)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(pieces)
		for {
			next, err := from.next()
			next.read, next.chance, next.end = time.Now(), rand.Float64(), err != nil
			select {
			case pieces <- next:
			case <-l.done:
				return
			}
			if err != nil {
				return
			}
		}
	})
	for next := range pieces {
		if !l.deliver(next, to, look) {
			break
		}
	}
	l.end(false)
	reading.Wait()
}

// deliver delivers a piece when it is time; false: the connection is over.
func (l *link) deliver(next piece, to net.Conn, look func([]byte, commits) fate) bool {
	if then := l.hold(next); then != passes || next.end {
		return then == vanishes
	}
	now, _ := l.proxy.now()
	data, then := l.judge(next, look, now.commits)
	if len(data) > 0 {
		if _, err := to.Write(data); err != nil {
			return false
		}
	}
	if then == cuts {
		l.proxy.counted()
		l.cutOff()
		return false
	}
	return true
}

// judge says what of a piece goes on to the other side, and whether the connection is cut then.
func (l *link) judge(next piece, look func([]byte, commits) fate, now commits) ([]byte, fate) {
	if next.sizes == nil {
		return next.data, passes
	}
	passed, at := next.data[:0:0], 0
	for _, size := range next.sizes {
		message := next.data[at : at+size]
		at += size
		switch look(message, now) {
		case cuts:
			return passed, cuts
		case swallows:
			l.lose()
		case passes, vanishes, over:
			passed = append(passed, message...)
		}
	}
	return passed, passes
}

// hold waits until it is time to deliver something.
func (l *link) hold(next piece) fate {
	for {
		now, changed := l.proxy.now()
		var late <-chan time.Time
		switch {
		case now.blackhole && (next.end || next.data == nil):
			l.lose() // nobody hears that it has ended, or that somebody has come
		case now.blackhole:
			l.lose()
			return vanishes
		case now.frozen:
		default:
			wait := time.Until(next.read.Add(now.latency + time.Duration(next.chance*float64(now.jitter))))
			if wait <= 0 {
				return passes
			}
			late = time.After(wait)
		}
		select {
		case <-changed:
		case <-late:
		case <-l.done:
			return over
		}
	}
}

// cutOff ends the connection at a commit: the client gets an error, the server what was passed on to it, and the end.
func (l *link) cutOff() {
	if tcp, ok := l.client.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	l.end(false)
}
