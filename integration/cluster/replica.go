//go:build linux

package cluster

import (
	"strings"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// Replica is a process of `weir serve`.
type Replica struct {
	*Process

	// Server is the URL of its API.
	Server string
	// Client calls its API.
	Client *client.Weir
}

// Serve starts a replica with an API on a port of its choice and waits until it takes on work. Commands of kind exec
// are enabled and get the cluster's variables. Flags given twice count as they were given last.
func (c *Cluster) Serve(flags ...string) *Replica {
	c.t.Helper()
	return c.ServeAt(c.URL, flags...)
}

// ServeAt starts a replica that reaches its database by that URL.
func (c *Cluster) ServeAt(url string, flags ...string) *Replica {
	c.t.Helper()
	return c.Await(c.Launch(url, flags...))
}

// ServeFaulty starts a replica of the binary that can be held, at the places and for as long as delays say
// (WEIR_FAULT_DELAYS, see lifecycle/fault_injected.go), and waits until it takes on work.
func (c *Cluster) ServeFaulty(delays string, flags ...string) *Replica {
	c.t.Helper()
	p := c.start(spec{
		binary: FaultyBinary(c.t), args: c.serve(c.URL, flags), env: append([]string{"WEIR_FAULT_DELAYS=" + delays}, c.config.Env...),
	})
	p.Logged("faults are injected")
	return c.Await(p)
}

// Launch starts a replica and does not wait for it.
func (c *Cluster) Launch(url string, flags ...string) *Process {
	c.t.Helper()
	return c.Command(c.serve(url, flags)...)
}

// serve are the arguments of a replica.
func (c *Cluster) serve(url string, flags []string) []string {
	args := []string{
		"serve", "--database-url", url, "--listen", "127.0.0.1:0", "--enable-exec", "--exec-dir", c.Dir,
		"--exec-pass-env", strings.Join([]string{EnvMark, EnvReplica, EnvLedger}, ","), "--workspace-dir", c.Dir + "/workspaces",
	}
	return append(append(args, c.config.Flags...), flags...)
}

// Await waits until a process that was launched takes on work.
func (c *Cluster) Await(p *Process) *Replica {
	c.t.Helper()
	return c.replica(p, p.Said(`(?m)^(http://\S+)$`))
}

func (c *Cluster) replica(p *Process, server string) *Replica {
	c.t.Helper()
	api, err := client.New(client.Config{Server: server})
	if err != nil {
		c.t.Fatalf("make a client: %v", err)
	}
	return &Replica{Process: p, Server: server, Client: api}
}

// Dev takes a process of `weir dev` and waits until it takes on work.
func (c *Cluster) Dev(p *Process) *Replica {
	c.t.Helper()
	return c.replica(p, p.Said(`(?m)^API +(http://\S+)$`))
}
