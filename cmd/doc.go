// Package cmd is the command line. [Main] is all that a program with handlers of its own needs:
//
//	func main() {
//		reg := jobs.NewRegistry()
//		jobs.Handle(reg, "greet", greet)
//		os.Exit(cmd.Main(reg))
//	}
//
// That program is then a whole weir: it serves, migrates, submits and shows, and its replicas run kind greet as well.
//
// There is one file per command, named like it. A command is a struct with its flags and a method
// Run(*invocation) error; [cli] lists them. Answers go to stdout, everything else to stderr. An error is printed
// once, by run, as "weir: WHAT" and, where something can be done, "try: COMMAND".
package cmd
