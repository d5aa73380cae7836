package cmd

// cli lists the commands: one field each, in the order of the help.
type cli struct {
	Dev      dev              `cmd:"" help:"Run everything on this machine: PostgreSQL, API and replicas."`
	Serve    serve            `cmd:"" help:"Serve the API and work on steps: a replica."`
	Submit   submit           `cmd:"" help:"Submit a plan: it becomes a run."`
	Run      showRun          `cmd:"" help:"Show a run; with --wait, wait for its end."`
	Runs     listRuns         `cmd:"" help:"List runs, newest first."`
	Steps    listSteps        `cmd:"" help:"List the steps of a run, or show one."`
	Logs     logs             `cmd:"" help:"Show what steps wrote."`
	Cancel   cancel           `cmd:"" help:"Ask for a run, a step, or many runs to be cancelled."`
	Pause    pause            `cmd:"" help:"Start nothing of a run, or of many, any more; what runs goes on."`
	Resume   resume           `cmd:"" help:"Go on with runs that were paused."`
	Rerun    rerun            `cmd:"" help:"Do a run again, from what had not succeeded on."`
	Decide   decide           `cmd:"" help:"Decide about a step that waits for it: retry, skip, accept or fail."`
	Approve  approve          `cmd:"" help:"Approve a step that waits for approval."`
	Reject   reject           `cmd:"" help:"Let a step that waits for approval fail."`
	Signal   sendSignal       `cmd:"" help:"Send a signal to a step that waits for it."`
	Why      why              `cmd:"" help:"Say why a step is, or is not, running."`
	Bulk     bulkCommands     `cmd:"" help:"List, show and cancel what is done to many runs."`
	Limit    limitCommands    `cmd:"" help:"List, show, set and unset concurrency limits."`
	Queue    queueCommands    `cmd:"" help:"List queues, and pause and resume them."`
	Plan     plans            `cmd:"" help:"Check plans, and keep them under a name, in versions."`
	Schedule scheduleCommands `cmd:"" help:"Run named plans again and again: make, list, pause and trigger schedules."`
	Token    tokenCommands    `cmd:"" help:"Make, list and revoke tokens for the API."`
	Migrate  migrate          `cmd:"" help:"Bring the database to the schema that this binary works with, and back."`
	Doctor   doctor           `cmd:"" help:"Look for what is commonly wrong; exit code 1 if anything is."`
	Openapi  openapi          `cmd:"" help:"Print the OpenAPI document of the API."`
	Version  version          `cmd:"" help:"Tell what this binary is."`
	State    state            `cmd:"" help:"Show replicas, queues, and what runs, is to be tried again or waits."`
	Health   health           `cmd:"" help:"Ask a server whether it is well; exit code 1 if not."`
}
