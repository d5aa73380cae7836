// Package cluster runs Weir as it is run: operating-system processes of the real binary on a real PostgreSQL, with the
// faults that happen to processes (KILL, STOP and CONT, TERM; another build, a wall clock that is off), to their database
// (stopped, crashed, its clock off, its disk full) and to the way between them, or to an API (a proxy that freezes, is
// late, loses everything, cuts connections, or cuts them at a commit).
//
// Tests run it, and programs that bring a [T] of their own.
//
//	func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		t.Parallel()
//		c := cluster.New(t, cluster.Config{})
//		a, b := c.Serve("--lease", "5s", "--heartbeat", "1s"), c.Serve()
//		run := c.Submit(a, `{name: x, steps: [{key: a, kind: noop}]}`)
//		b.Kill()
//		c.RunEnds(run, "succeeded")
//		c.NoViolations()
//	}
//
// The binary is built once in a test process. Everything that a cluster starts carries its mark, in the environment, in
// the arguments or in the working directory, and is found by it in /proc: when the test ends nothing may be left that
// has the mark, and what is left all the same is killed. What the processes wrote is kept, and its end printed, when
// the test has failed.
//
// What steps really did is known apart from Weir's tables: [Cluster.Work] is a command that notes its starts and ends
// in a ledger of files and that finds out by a lock if it runs twice at once.
//
// It is for Linux only.
package cluster
