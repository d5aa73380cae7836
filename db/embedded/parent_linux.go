package embedded

import "syscall"

// dieWithParent has the kernel send a fast shutdown when the thread that starts the child ends, and so when
// the process does, however it ends.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }

// watchParent has nothing to do here.
func watchParent(int) (release func(), err error) { return func() {}, nil }
