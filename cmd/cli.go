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
	Why      why              `cmd:"" help:"Say why a step is, or is not, running."`
	Bulk     bulkCommands     `cmd:"" help:"List, show and cancel what is done to many runs."`
	Limit    limitCommands    `cmd:"" help:"List, show, set and unset concurrency limits."`
	Queue    queueCommands    `cmd:"" help:"List queues, and pause and resume them."`
	Plan     plans            `cmd:"" help:"Check plans, and keep them under a name, in versions."`
	Schedule scheduleCommands `cmd:"" help:"Run named plans again and again: make, list, pause and trigger schedules."`
	Migrate  migrate          `cmd:"" help:"Bring the database to the schema that this binary works with, and back."`
	Doctor   doctor           `cmd:"" help:"Look for what is commonly wrong; exit code 1 if anything is."`
	Openapi  openapi          `cmd:"" help:"Print the OpenAPI document of the API."`
	Version  version          `cmd:"" help:"Tell what this binary is."`
	Health   health           `cmd:"" help:"Ask a server whether it is well; exit code 1 if not."`
}
