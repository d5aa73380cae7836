package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Main turns the process into a guard when its arguments (without the program's name) say so; handled is false
// otherwise. It is called first thing in main, and in TestMain of tests that start commands; when handled, the process
// ends with code.
func Main(args []string) (handled bool, code int) {
	if len(args) != 1 || args[0] != Arg {
		return false, 0
	}
	if err := guardMain(); err != nil {
		fmt.Fprintf(os.Stderr, "weir: %v\n", err)
		return true, 2
	}
	return true, 0
}

// guard watches over one command.
type guard struct {
	control *bufio.Reader
	result  *os.File
	pid     int // the command's, and its group's

	words   chan time.Duration // KILL after so long; from the control pipe
	main    chan unix.WaitStatus
	stopped bool
	killed  bool
	scratch string      // removed in the end if the replica is gone
	orphan  atomic.Bool // it is
	over    bool        // the command itself has ended, and its number may be another's by now
}

func guardMain() error {
	// The command's parent-death signal is tied to the thread that starts it: this one stays.
	runtime.LockOSThread()
	// Signals are for the command. They are received rather than ignored, because what is ignored is inherited.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	for _, fd := range []int{controlFD, resultFD} {
		var stat unix.Stat_t
		if unix.Fstat(fd, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO {
			return ErrNotAGuard
		}
		unix.CloseOnExec(fd)
	}
	closeAllOnExec()
	g := &guard{
		control: bufio.NewReader(os.NewFile(controlFD, "control")), result: os.NewFile(resultFD, "result"),
		words: make(chan time.Duration), main: make(chan unix.WaitStatus, 1),
	}
	line, err := g.control.ReadBytes('\n')
	if err != nil {
		return nil //nolint:nilerr // the replica died before it had said what to run
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("read what to run: %w", err)
	}
	return g.run(o)
}

func (g *guard) run(o order) error {
	adopt()
	g.scratch = string(o.Scratch)
	if code, err := g.start(o); err != nil {
		return writeLine(g.result, notice{NotStarted: err.Error(), ExitCode: code})
	}
	// The command alone holds its ends of the pipes.
	_ = os.Stdin.Close()
	_ = os.Stdout.Close()
	_ = writeLine(g.result, notice{Pid: g.pid})
	go g.listen(min(o.Grace, OrphanGrace))
	go g.reap()
	return g.watch()
}

func (g *guard) start(o order) (code int, err error) {
	root, err := os.OpenRoot(string(o.Root))
	if err != nil {
		return ExitNotExecutable, fmt.Errorf("open the working directory: %w", err)
	}
	defer root.Close()
	dir := string(o.Dir)
	if dir == "" {
		dir = "."
	}
	// The directory is entered by its handle: no symlink can lead outside, not even one that changes meanwhile.
	wd, err := root.Open(dir)
	if err != nil {
		return ExitNotExecutable, fmt.Errorf("open the working directory: %w", err)
	}
	defer wd.Close() //nolint:errcheck // it was only read
	if err := wd.Chdir(); err != nil {
		return ExitNotExecutable, fmt.Errorf("enter the working directory: %w", err)
	}
	command, env := toStrings(o.Command), toStrings(o.Env)
	path, code, err := lookup(command[0], env)
	if err != nil {
		return code, err
	}
	g.pid, err = syscall.ForkExec(path, command, &syscall.ProcAttr{
		Env: env, Files: []uintptr{0, 1, 2}, Sys: attributes(),
	})
	if err != nil {
		return exitCodeOf(err), &os.PathError{Op: "execute", Path: command[0], Err: err}
	}
	return 0, nil
}

// listen passes on the words of the replica, and its end.
func (g *guard) listen(grace time.Duration) {
	for {
		line, err := g.control.ReadString('\n')
		if err != nil {
			g.orphan.Store(true)
			g.words <- grace
			return
		}
		if after, ok := parseStop(line); ok {
			g.words <- after
		}
	}
}

// reap waits for the command, and for every orphan of its that ends before it.
func (g *guard) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return
		case pid == g.pid && !status.Stopped():
			g.main <- status
			return
		}
	}
}

// watch waits for the end of the command, stops it when told, and ends whatever it left behind.
func (g *guard) watch() error {
	var kill <-chan time.Time
	var killAt time.Time
	for {
		select {
		case after := <-g.words:
			if at := time.Now().Add(after); killAt.IsZero() || at.Before(killAt) {
				killAt, kill = at, time.After(after)
			}
			if !g.stopped {
				g.stopped = true
				g.signal(syscall.SIGTERM)
				g.signal(syscall.SIGCONT)
			}
		case <-kill:
			g.killed = true
			g.signal(syscall.SIGKILL)
		case status := <-g.main:
			g.over = true
			if g.stopped {
				g.awaitRest(killAt)
			}
			g.end()
			return g.tell(status)
		}
	}
}

// tell says how the command ended. If nobody is there to hear it, nobody else clears up.
func (g *guard) tell(status unix.WaitStatus) error {
	orphan := g.orphan.Load() // before the replica knows: after that it clears up, and lets go of the pipe
	err := writeLine(g.result, g.exited(status))
	if g.scratch != "" && (orphan || err != nil) {
		return errors.Join(err, os.RemoveAll(g.scratch))
	}
	return err
}

func (g *guard) exited(status unix.WaitStatus) notice {
	n := notice{Exited: true, ExitCode: status.ExitStatus(), Stopped: g.stopped, Killed: g.killed}
	if status.Signaled() {
		n.Signal = unix.SignalName(status.Signal())
	}
	return n
}

// signal reaches the command's group, and what left it.
func (g *guard) signal(sig syscall.Signal) {
	pids, all := descendants()
	byGroup := !g.over || !all
	if byGroup {
		_ = syscall.Kill(-g.pid, sig)
	}
	for _, pid := range pids {
		if group, err := unix.Getpgid(pid); err == nil && (!byGroup || group != g.pid) {
			_ = syscall.Kill(pid, sig)
		}
	}
}

// awaitRest gives what a stopped command left behind the rest of its grace.
func (g *guard) awaitRest(until time.Time) {
	for time.Now().Before(until) && g.alive() {
		time.Sleep(pause)
	}
}

// pause is how long the guard waits before it looks again at processes that are about to end.
const pause = 5 * time.Millisecond

// endWithin is how long the guard tries to end everything before it says that the command ended.
const endWithin = 2 * time.Second

// end kills whatever is left, again and again: the children of what is killed come to the guard.
func (g *guard) end() {
	for began := time.Now(); g.alive() && time.Since(began) < endWithin; time.Sleep(pause) {
		g.signal(syscall.SIGKILL)
	}
}

// alive reaps what is over and says whether anything is left.
func (g *guard) alive() bool {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR || err == nil && pid > 0:
		case err == nil:
			return true // children that live
		default:
			return groupLives(g.pid)
		}
	}
}
