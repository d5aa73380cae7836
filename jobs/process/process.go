package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// orderWithin is how long a guard may take to read what to run.
const orderWithin = 10 * time.Second

// How long after KILL a guard may take to say so, and how long after that what was written may take to be read.
const (
	confirmWithin = 3 * time.Second
	drainWithin   = 2 * time.Second
)

// EndsWithin is how long after KILL Wait answers at the latest.
const EndsWithin = confirmWithin + drainWithin

// Process is a command that runs under its guard. Its methods may be called concurrently; Wait once.
type Process struct {
	guard   *exec.Cmd
	control *os.File // write
	stdin   *os.File // write
	streams []*os.File
	copies  sync.WaitGroup
	notices chan notice // closed at the end of the result pipe
	result  *os.File    // read

	mu     sync.Mutex
	over   bool          // Wait has its answer
	giveUp *time.Timer   // since Stop
	late   chan struct{} // closed when the guard has not answered a Stop in time
}

// Start starts a command under a guard. An error means that this machine could not start the guard; that the command
// itself could not be started is a Result.
func Start(spec Spec) (*Process, error) {
	if len(spec.Command) == 0 {
		return nil, errors.New("start a command: it is empty")
	}
	self, err := executable()
	if err != nil {
		return nil, fmt.Errorf("start a command: find this program: %w", err)
	}
	p := &Process{notices: make(chan notice, 2), late: make(chan struct{})}
	var pipes pipes
	defer pipes.closeTheirs()
	stdin, stdout, stderr := pipes.toChild(), pipes.fromChild(), pipes.fromChild()
	control, result := pipes.toChild(), pipes.fromChild()
	if pipes.err != nil {
		pipes.closeOurs()
		return nil, fmt.Errorf("start a command: %w", pipes.err)
	}
	p.guard = &exec.Cmd{
		Path: self, Args: []string{os.Args[0], Arg}, Env: []string{"GORACE=atexit_sleep_ms=0"}, // else a race build takes a second to end
		Stdin: stdin.theirs, Stdout: stdout.theirs, Stderr: stderr.theirs,
		ExtraFiles:  []*os.File{control.theirs, result.theirs},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}, // Ctrl-C at a terminal is the replica's alone
	}
	if err := p.guard.Start(); err != nil {
		pipes.closeOurs()
		return nil, fmt.Errorf("start a command: start its guard: %w", err)
	}
	p.control, p.stdin, p.result = control.ours, stdin.ours, result.ours
	p.streams = []*os.File{stdout.ours, stderr.ours}
	if err := p.order(spec); err != nil {
		pipes.closeOurs()
		_ = p.guard.Process.Kill()
		_ = p.guard.Wait()
		return nil, fmt.Errorf("start a command: %w", err)
	}
	p.copies.Add(4)
	go p.send(spec.Stdin)
	go p.copy(stdout.ours, spec.Stdout)
	go p.copy(stderr.ours, spec.Stderr)
	go p.read()
	return p, nil
}

// order tells the guard what to run, before anything else is said to it.
func (p *Process) order(spec Spec) error {
	_ = p.control.SetWriteDeadline(time.Now().Add(orderWithin))
	return writeLine(p.control, order{
		Command: toBytes(spec.Command), Env: toBytes(spec.Env), Root: []byte(spec.Root), Dir: []byte(spec.Dir),
		Grace: min(spec.Grace, OrphanGrace), Scratch: []byte(spec.Scratch),
	})
}

// send gives the command its input, which it need not read.
func (p *Process) send(stdin []byte) {
	defer p.copies.Done()
	defer p.stdin.Close() //nolint:errcheck // nothing is buffered
	_, _ = p.stdin.Write(stdin)
}

func (p *Process) copy(from *os.File, to io.Writer) {
	defer p.copies.Done()
	if to == nil {
		to = io.Discard
	}
	_, _ = io.Copy(struct{ io.Writer }{to}, from)
}

// read passes on what the guard says.
func (p *Process) read() {
	defer p.copies.Done()
	defer close(p.notices)
	lines := bufio.NewScanner(p.result)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var n notice
		if json.Unmarshal(lines.Bytes(), &n) != nil {
			return
		}
		p.notices <- n
	}
}

// Stop tells the command and all that it started to end: TERM, and KILL after killAfter. Stopping again only counts
// when it is sooner.
func (p *Process) Stop(killAfter time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	if p.giveUp == nil {
		p.giveUp = time.AfterFunc(max(killAfter, 0)+confirmWithin, func() { close(p.late) })
	}
	_ = p.control.SetWriteDeadline(time.Now().Add(confirmWithin))
	_, _ = p.control.WriteString(stopWord(killAfter)) // a guard that is gone needs no telling
}

// Wait waits until the command and everything that it started are over and all that they wrote was passed on, and says
// how the command ended. Afterwards nothing of it is left in this process.
func (p *Process) Wait() Result {
	res, pid := p.ended()
	if res.Lost {
		if pid > 0 {
			_ = syscall.Kill(-pid, syscall.SIGKILL)
		}
		_ = p.guard.Process.Kill()
	}
	_ = p.control.Close()
	_ = p.guard.Wait() // what it has to say is in the result
	p.mu.Lock()
	p.over = true
	if p.giveUp != nil {
		p.giveUp.Stop()
	}
	p.mu.Unlock()
	// All writers are gone, or cannot be reached: what is in the pipes is read, then no more is waited for.
	deadline := time.Now().Add(drainWithin)
	_ = p.stdin.SetWriteDeadline(time.Now())
	_ = p.result.SetReadDeadline(deadline)
	for _, f := range p.streams {
		_ = f.SetReadDeadline(deadline)
	}
	p.copies.Wait()
	_ = p.result.Close()
	for _, f := range p.streams {
		_ = f.Close()
	}
	return res
}

// ended waits for the guard's last word.
func (p *Process) ended() (res Result, pid int) {
	for {
		select {
		case n, ok := <-p.notices:
			switch {
			case !ok:
				return Result{ExitCode: -1, Lost: true}, pid
			case n.NotStarted != "":
				return Result{NotStarted: n.NotStarted, ExitCode: n.ExitCode}, 0
			case n.Exited:
				return Result{ExitCode: n.ExitCode, Signal: n.Signal, Stopped: n.Stopped, Killed: n.Killed}, pid
			default:
				pid = n.Pid
			}
		case <-p.late:
			return Result{ExitCode: -1, Stopped: true, Killed: true, Lost: true}, pid
		}
	}
}

// pipe has an end of ours and one of the guard's.
type pipe struct{ ours, theirs *os.File }

type pipes struct {
	all []pipe
	err error
}

func (ps *pipes) toChild() pipe {
	r, w := ps.open()
	return ps.keep(pipe{ours: w, theirs: r})
}

func (ps *pipes) fromChild() pipe {
	r, w := ps.open()
	return ps.keep(pipe{ours: r, theirs: w})
}

func (ps *pipes) open() (r, w *os.File) {
	if ps.err != nil {
		return nil, nil
	}
	r, w, ps.err = os.Pipe()
	return r, w
}

func (ps *pipes) keep(p pipe) pipe {
	if ps.err == nil {
		ps.all = append(ps.all, p)
	}
	return p
}

func (ps *pipes) closeTheirs() {
	for _, p := range ps.all {
		_ = p.theirs.Close()
	}
}

func (ps *pipes) closeOurs() {
	for _, p := range ps.all {
		_ = p.ours.Close()
	}
}

// ErrNotAGuard says that the binary was started as a guard by something that is no replica.
var ErrNotAGuard = errors.New(Arg + " is how a replica starts commands; it is of no use by hand")
