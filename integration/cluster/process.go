//go:build linux

package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
)

// Process is one process of the binary. Its methods fail the test when what they wait for does not come.
type Process struct {
	// Name is what it is called in the ledger and in the names of its logs: 01, 02, …
	Name string
	// Mark is what everything that comes from it carries.
	Mark string

	cluster *Cluster
	args    []string
	cmd     *exec.Cmd
	done    chan struct{} // closed when it has ended
}

// spec says how a process is started.
type spec struct {
	binary string
	args   []string
	env    []string            // in addition to ours
	as     *syscall.Credential // nil: as we are
	dir    string              // "": the cluster's
}

// start starts a process. It does not outlive the test process.
func (c *Cluster) start(s spec) *Process {
	c.t.Helper()
	p := &Process{cluster: c, args: s.args, done: make(chan struct{})}
	c.mu.Lock()
	c.named++
	p.Name = fmt.Sprintf("%02d", c.named)
	c.mu.Unlock()
	p.Mark = c.Mark + "." + p.Name + "."
	stdout, stderr := p.create("stdout"), p.create("stderr")
	defer stdout.Close() //nolint:errcheck // the process has its own
	defer stderr.Close() //nolint:errcheck // the process has its own
	if s.dir == "" {
		s.dir = c.Dir
	}
	p.cmd = &exec.Cmd{
		Path: s.binary, Args: append([]string{"weir-" + p.Mark}, s.args...), Dir: s.dir, Stdout: stdout, Stderr: stderr,
		Env:         append(append(environment(), EnvMark+"="+p.Mark, EnvReplica+"="+p.Name, EnvLedger+"="+c.Dir, "TMPDIR="+filepath.Join(c.Dir, tempDir)), s.env...),
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: s.as},
	}
	started := make(chan error, 1)
	go func() {
		// The parent whose death counts is this thread: it stays for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in its ProcessState
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		c.t.Fatalf("start %s: %v", p, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.processes = append(c.processes, p)
	return p
}

// environment is ours without what would lead a process to another database or server.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "WEIR_") && !strings.HasPrefix(kv, "PG") {
			env = append(env, kv)
		}
	}
	return env
}

func (p *Process) create(stream string) *os.File {
	p.cluster.t.Helper()
	file, err := os.Create(p.file(stream))
	if err != nil {
		p.cluster.t.Fatalf("make a log of %s: %v", p, err)
	}
	return file
}

func (p *Process) file(stream string) string { return filepath.Join(p.cluster.Dir, p.Name+"."+stream) }

// String tells which process it is.
func (p *Process) String() string {
	return "process " + p.Name + " (weir " + strings.Join(p.args, " ") + ")"
}

// Stdout is what it has written to its standard output so far.
func (p *Process) Stdout() string { return p.read("stdout") }

// Stderr is what it has logged so far.
func (p *Process) Stderr() string { return p.read("stderr") }

func (p *Process) read(stream string) string {
	p.cluster.t.Helper()
	text, err := os.ReadFile(p.file(stream))
	if err != nil {
		p.cluster.t.Fatalf("read the log of %s: %v", p, err)
	}
	return string(text)
}

// Said waits until its standard output matches, and returns what the first group matched. It fails when the process
// ends without having said that.
func (p *Process) Said(pattern string) string { return p.matches("stdout", pattern) }

// Logged waits until its log matches, and returns what the first group matched. It fails when the process ends without
// having logged that.
func (p *Process) Logged(pattern string) string { return p.matches("stderr", pattern) }

func (p *Process) matches(stream, pattern string) string {
	p.cluster.t.Helper()
	re := regexp.MustCompile(pattern)
	var match []string
	ended := false
	p.cluster.Until(p.String()+" says "+pattern, func() bool {
		over := p.Ended()
		match = re.FindStringSubmatch(p.read(stream))
		ended = over && match == nil
		return match != nil || ended
	})
	if ended {
		p.cluster.t.Fatalf("%s ended with code %d without having said %s", p, p.Wait(), pattern)
	}
	return match[len(match)-1]
}

// PID is its number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended reports whether it has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Signal sends it a signal.
func (p *Process) Signal(sig syscall.Signal) {
	p.cluster.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.cluster.t.Fatalf("send %s to %s: %v", sig, p, err)
	}
}

// Kill ends it with SIGKILL and waits until it is gone. One that has ended before stays as it is.
func (p *Process) Kill() {
	p.cluster.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.cluster.t.Fatalf("kill %s: %v", p, err)
	}
	p.Wait()
}

// Freeze stops it with SIGSTOP and waits until it stands still. What it has started goes on.
func (p *Process) Freeze() {
	p.cluster.t.Helper()
	p.Signal(syscall.SIGSTOP)
	p.cluster.Until(p.String()+" stands still", func() bool { return stateOf(p.PID()) == "T" })
}

// Thaw lets it go on.
func (p *Process) Thaw() {
	p.cluster.t.Helper()
	p.Signal(syscall.SIGCONT)
}

// Stop asks it to end with SIGTERM and waits until it has, with the code 0.
func (p *Process) Stop() {
	p.cluster.t.Helper()
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(); code != 0 {
		p.cluster.t.Fatalf("%s ended with code %d", p, code)
	}
}

// Wait waits until it has ended and returns its exit code, -1 if a signal ended it.
func (p *Process) Wait() int {
	p.cluster.t.Helper()
	p.cluster.Until(p.String()+" ends", p.Ended)
	return p.cmd.ProcessState.ExitCode()
}

// Left lists the processes that come from it, itself included.
func (p *Process) Left() []string { return describe(marked(p.Mark)) }

// NothingLeft waits until no process is left that comes from it.
func (p *Process) NothingLeft() {
	p.cluster.t.Helper()
	p.cluster.nothingLeft(p.Mark)
}
