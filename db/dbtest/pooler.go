package dbtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Pooler puts a connection pooler in transaction mode in front of a database until the end of the test, and
// returns the URL that leads through it. Like PgBouncer it gives a client a server connection for one
// transaction, takes back whichever was used last first, hands a notification to whoever has the connection
// that it arrives on, and refuses start-up parameters that it does not know.
func Pooler(t testing.TB, target string) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start a pooler: %v", err)
	}
	p := &pooler{target: target, listener: listener, clients: make(map[net.Conn]bool)}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	through, err := url.Parse(target)
	if err != nil {
		t.Fatalf("start a pooler: %v", err)
	}
	through.Host = listener.Addr().String()
	return through.String()
}

// pooler is a small PgBouncer.
type pooler struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	clients map[net.Conn]bool
	idle    []*pgconn.HijackedConn
}

// accept serves clients until the listener is closed.
func (p *pooler) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.clients[client] = true
		p.mu.Unlock()
		p.running.Go(func() {
			defer func() {
				_ = client.Close()
				p.mu.Lock()
				defer p.mu.Unlock()
				delete(p.clients, client)
			}()
			p.serve(client)
		})
	}
}

// close ends all clients and all server connections.
func (p *pooler) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for client := range p.clients {
		_ = client.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
	for _, server := range p.idle {
		_ = server.Conn.Close()
	}
}

// serve is the life of one client.
func (p *pooler) serve(conn net.Conn) {
	client := pgproto3.NewBackend(conn, conn)
	if err := greet(client); err != nil {
		return
	}
	for {
		first, err := client.Receive()
		if err != nil {
			return
		}
		if _, over := first.(*pgproto3.Terminate); over {
			return
		}
		server, err := p.take()
		if err != nil {
			return
		}
		if err := transaction(client, server, first); err != nil {
			_ = server.Conn.Close() // it may be in the middle of something
			return
		}
		p.give(server)
	}
}

// greet answers a client's start-up, with a process id that is no server's.
func greet(client *pgproto3.Backend) error {
	message, err := client.ReceiveStartupMessage()
	if err != nil {
		return err
	}
	startup, ok := message.(*pgproto3.StartupMessage)
	if !ok {
		return fmt.Errorf("%T is no start-up", message)
	}
	known := map[string]bool{"user": true, "database": true, "application_name": true, "timezone": true, "client_encoding": true}
	for name := range startup.Parameters {
		if !known[name] {
			client.Send(&pgproto3.ErrorResponse{
				Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "08P01",
				Message: "unsupported startup parameter: " + name,
			})
			return errors.Join(client.Flush(), errors.New(name))
		}
	}
	secret := make([]byte, 4)
	_, _ = rand.Read(secret) // never fails
	client.Send(&pgproto3.AuthenticationOk{})
	client.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	client.Send(&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"})
	client.Send(&pgproto3.BackendKeyData{ProcessID: 1 << 30, SecretKey: secret})
	client.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	return client.Flush()
}

// transaction hands messages to and fro until the server is outside a transaction again.
func transaction(client *pgproto3.Backend, server *pgconn.HijackedConn, message pgproto3.FrontendMessage) error {
	for {
		server.Frontend.Send(message)
		switch message.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			if err := server.Frontend.Flush(); err != nil {
				return err
			}
			status, err := answers(client, server)
			if err != nil || status == 'I' {
				return err
			}
		case *pgproto3.Terminate:
			return errors.New("the client left in the middle of a transaction")
		}
		var err error
		if message, err = client.Receive(); err != nil {
			return err
		}
	}
}

// answers hands on what the server says until it is ready for the next query.
func answers(client *pgproto3.Backend, server *pgconn.HijackedConn) (status byte, err error) {
	for {
		message, err := server.Frontend.Receive()
		if err != nil {
			return 0, err
		}
		client.Send(message)
		ready, ok := message.(*pgproto3.ReadyForQuery)
		if !ok {
			continue
		}
		return ready.TxStatus, client.Flush()
	}
}

// take is the server connection that was used last, or a new one.
func (p *pooler) take() (*pgconn.HijackedConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		server := p.idle[last]
		p.idle = p.idle[:last]
		return server, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, p.target)
	if err != nil {
		return nil, err
	}
	return conn.Hijack()
}

// give puts a server connection back.
func (p *pooler) give(server *pgconn.HijackedConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, server)
}
