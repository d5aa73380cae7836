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

// Launch starts a replica and does not wait for it.
func (c *Cluster) Launch(url string, flags ...string) *Process {
	c.t.Helper()
	args := []string{
		"serve", "--database-url", url, "--listen", "127.0.0.1:0", "--enable-exec", "--exec-dir", c.Dir,
		"--exec-pass-env", strings.Join([]string{EnvMark, EnvReplica, EnvLedger}, ","), "--workspace-dir", c.Dir + "/workspaces",
	}
	return c.Command(append(append(args, c.config.Flags...), flags...)...)
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
