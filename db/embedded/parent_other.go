//go:build !linux

package embedded

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
)

// dieWithParent cannot be had from the kernel here.
func dieWithParent(*syscall.SysProcAttr) {}

// watchParent starts a shell that sends a fast shutdown to the child when this process ends, however it ends:
// then the pipe that it reads from is closed without a word. release ends the shell.
func watchParent(pid int) (release func(), err error) {
	watcher := exec.Command("/bin/sh", "-c", `read -r word; [ -n "$word" ] || kill -INT "$1"`, "sh", strconv.Itoa(pid))
	watcher.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := watcher.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("watch over PostgreSQL: %w", err)
	}
	if err := watcher.Start(); err != nil {
		return nil, fmt.Errorf("watch over PostgreSQL: %w", err)
	}
	return func() {
		_, _ = pipe.Write([]byte("over\n")) // it may have been killed
		_ = pipe.Close()
		_ = watcher.Wait()
	}, nil
}
