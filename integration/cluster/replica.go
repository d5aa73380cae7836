//go:build linux

package cluster

import (
	"slices"
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
	p := c.ServeWith(Start{Binary: FaultyBinary(c.t), Env: []string{"WEIR_FAULT_DELAYS=" + delays}, Flags: flags})
	p.Logged("faults are injected")
	return c.Await(p)
}

// Launch starts a replica and does not wait for it.
func (c *Cluster) Launch(url string, flags ...string) *Process {
	c.t.Helper()
	return c.ServeWith(Start{URL: url, Flags: flags})
}

// Start says how a replica is started. What is empty is the cluster's.
type Start struct {
	// Binary is what runs.
	Binary string
	// URL is how it reaches its database.
	URL string
	// DirectURL is how it listens, "": by URL too.
	DirectURL string
	// Env is added to the cluster's.
	Env []string
	// Flags are added to the cluster's; given twice, the last counts.
	Flags []string
}

// ServeWith starts a replica and does not wait for it; see Await.
func (c *Cluster) ServeWith(s Start) *Process {
	c.t.Helper()
	if s.Binary == "" {
		s.Binary = c.config.Binary
	}
	if s.URL == "" {
		s.URL = c.URL
	}
	if s.DirectURL != "" {
		s.Flags = append([]string{"--direct-database-url", s.DirectURL}, s.Flags...)
	}
	return c.start(spec{binary: s.Binary, args: c.serve(s.URL, s.Flags), env: slices.Concat(c.config.Env, s.Env)})
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
