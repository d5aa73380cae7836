// Package process runs a command so that nothing of it outlives the process that started it.
//
//	replica ── control pipe ──▶ guard (the same binary, argv[1] = Arg) ──▶ command ──▶ whatever it starts
//	        ◀── result pipe ───                                       one process group
//
// A Go process that is killed with SIGKILL leaves its children alive. So a command runs under a guard: the same binary
// started again, which holds the reading end of a pipe whose writing end only the replica has. When the pipe ends, when
// the guard is told, or when the command exits, everything that the command started is ended: TERM, then KILL.
//
// On Linux the guard is the subreaper of what it starts, so that descendants which leave the process group (setsid, a
// double fork) are found and ended as well; and the command gets KILL from the kernel should the guard itself die.
// Elsewhere the process group is all that can be reached.
//
// Programs that start commands call [Main] first thing in main.
package process
