package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/weirqueue/weir/jobs/process"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// exitTemporary is the exit code (sysexits.h: EX_TEMPFAIL) by which a command asks to be tried again.
const exitTemporary = 75

// The choices of kind exec.
const (
	workspaceNone = "none"
	workspaceRun  = "run"
	workspaceStep = "step"

	cleanupSuccess = "success"
	cleanupAlways  = "always"
	cleanupNever   = "never"

	outputFile   = "file"
	outputStdout = "stdout"
	outputNone   = "none"
)

// execInput is the `with` of kind exec.
type execInput struct {
	Command      []string          `json:"command" jsonschema:"the program and its arguments; no shell, no expressions"`
	Env          map[string]string `json:"env,omitempty" jsonschema:"environment of the command, beside the replica's few"`
	Stdin        json.RawMessage   `json:"stdin,omitempty" jsonschema:"JSON on standard input; without it the run's input and the needs' outputs; null: empty"`
	Workspace    string            `json:"workspace,omitempty" jsonschema:"none, or a directory of the run or of the step"`
	Cleanup      string            `json:"cleanup,omitempty" jsonschema:"when the workspace is removed"`
	Cwd          string            `json:"cwd,omitempty" jsonschema:"where to run, inside of the workspace or of the replica's directory"`
	SuccessCodes []int             `json:"success_codes,omitempty" jsonschema:"exit codes that are a success, [0] if not given"`
	Output       string            `json:"output,omitempty" jsonschema:"where the output comes from: the file WEIR_OUTPUT, stdout, or none"`
}

// JSONSchema is the schema of the input with its ranges and choices.
func (*execInput) JSONSchema() *jsonschema.Schema {
	s, err := jsonschema.For[execInput](&jsonschema.ForOptions{
		TypeSchemas: map[reflect.Type]*jsonschema.Schema{reflect.TypeFor[json.RawMessage](): {}},
	})
	if err != nil {
		return nil // refused by registerExec's test: the type is fixed
	}
	one, most, codes := 1, 256, 255.0
	s.Properties["command"].Types, s.Properties["command"].Type = nil, "array"
	s.Properties["command"].MinItems, s.Properties["command"].MaxItems = &one, &most
	s.Properties["success_codes"].Types, s.Properties["success_codes"].Type = nil, "array"
	s.Properties["success_codes"].Items.Minimum = new(float64)
	s.Properties["success_codes"].Items.Maximum = &codes
	s.Properties["workspace"].Enum = []any{workspaceNone, workspaceRun, workspaceStep}
	s.Properties["cleanup"].Enum = []any{cleanupSuccess, cleanupAlways, cleanupNever}
	s.Properties["output"].Enum = []any{outputFile, outputStdout, outputNone}
	return s
}

func (in *execInput) withDefaults() {
	in.Workspace = orElse(in.Workspace, workspaceNone)
	in.Cleanup = orElse(in.Cleanup, cleanupSuccess)
	in.Output = orElse(in.Output, outputFile)
	if in.SuccessCodes == nil {
		in.SuccessCodes = []int{0}
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// execKind runs commands.
type execKind struct {
	cfg        BuiltinConfig
	workspaces workspaces
}

func registerExec(reg *Registry, c BuiltinConfig) error {
	if c.ExecDir == "" {
		wd, err := os.Getwd()
		if err != nil {
			return reg.refuse(fmt.Errorf("register kind exec: find the working directory: %w", err))
		}
		c.ExecDir = wd
	}
	dir := c.WorkspaceDir
	if dir == "" {
		dir = DefaultWorkspaceDir()
	}
	x := &execKind{cfg: c, workspaces: workspaces{dir: dir}}
	return handle(reg, "exec", reflect.TypeFor[any](), x.run, plan.Literal("exec")...)
}

// run runs the command of one attempt, and everything of it is over when run returns.
func (x *execKind) run(ctx context.Context, in execInput) (output, error) {
	in.withDefaults()
	a := FromContext(ctx)
	scratch, err := os.MkdirTemp("", "weir-exec-")
	if err != nil {
		return output{}, fmt.Errorf("make a directory for the output: %w", err)
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // a left-over in the temporary directory hurts nobody
	out := execOutput{from: in.Output, limit: x.cfg.MaxOutput, file: filepath.Join(scratch, "output.json")}
	spec, err := x.spec(a, in, out.file)
	if err != nil {
		return output{}, err
	}
	stdout, stderr := newLineWriter(a.exec, "stdout"), newLineWriter(a.exec, "stderr")
	spec.Stdout, spec.Stderr, spec.Scratch = out.tee(stdout), stderr, scratch
	res, err := execute(ctx, a.exec, spec)
	if err != nil {
		return output{}, err
	}
	stdout.end()
	stderr.end()

	err = conclusion(in, res, stderr.last)
	if err := x.workspaces.leave(a, in, err == nil); err != nil {
		a.Logger().Warn("the workspace could not be removed", "error", err)
	}
	if err != nil {
		return output{}, err
	}
	return out.read(), nil
}

// spec says what to run, where, and with which environment and input.
func (x *execKind) spec(a *Attempt, in execInput, file string) (process.Spec, error) {
	if len(in.Command) == 0 {
		return process.Spec{}, invalidWith("with.command: is empty")
	}
	for _, arg := range in.Command {
		if bytes.IndexByte([]byte(arg), 0) >= 0 {
			return process.Spec{}, invalidWith("with.command: holds a NUL character")
		}
	}
	if in.Cwd != "" && !filepath.IsLocal(in.Cwd) {
		return process.Spec{}, invalidWith("with.cwd: leads outside of where the step may run")
	}
	env, err := x.environ(a, in, file)
	if err != nil {
		return process.Spec{}, err
	}
	root := x.cfg.ExecDir
	if in.Workspace != workspaceNone {
		if root, err = x.workspaces.enter(a, in); err != nil {
			return process.Spec{}, err
		}
	}
	stdin, err := stdinOf(a, in)
	if err != nil {
		return process.Spec{}, err
	}
	return process.Spec{Command: in.Command, Env: env, Root: root, Dir: in.Cwd, Stdin: stdin, Grace: a.exec.orphanGrace()}, nil
}

// stdinOf is the JSON on the command's standard input.
func stdinOf(a *Attempt, in execInput) ([]byte, error) {
	if in.Stdin != nil {
		if string(bytes.TrimSpace(in.Stdin)) == "null" {
			return nil, nil
		}
		return in.Stdin, nil
	}
	needs := make(map[string]json.RawMessage, len(a.Needs))
	for key, n := range a.Needs {
		needs[key] = n.Output // nil is written as null
	}
	raw, err := json.Marshal(map[string]any{"input": a.Input, "needs": needs})
	if err != nil {
		return nil, Permanent(fmt.Errorf("write the command's standard input: %w", err))
	}
	return raw, nil
}

// execute runs a command and stops it when the attempt's context ends.
func execute(ctx context.Context, e *execution, spec process.Spec) (process.Result, error) {
	if err := context.Cause(ctx); err != nil {
		return process.Result{}, err
	}
	e.kills.Store(true)
	defer e.kills.Store(false)
	p, err := process.Start(spec)
	if err != nil {
		return process.Result{}, &Failure{Code: "exec_unavailable", Err: err}
	}
	defer context.AfterFunc(ctx, func() { p.Stop(e.killAfter()) })()
	return p.Wait(), nil
}

// conclusion turns the end of a command into the handler's error; nil is success.
func conclusion(in execInput, res process.Result, lastWords string) error {
	f := &Failure{Code: "exit_code", Detail: exitDetail(res)}
	said := ""
	if lastWords != "" {
		said = ": " + cut(lastWords, 1<<10)
	}
	switch {
	case res.NotStarted != "":
		f.Code, f.Permanent = "not_startable", true
		f.Message = "the command could not be started: " + res.NotStarted
	case res.Killed:
		f.Code, f.crashed = "killed", true
		f.Message = "the command did not stop in time and was killed"
	case res.Lost:
		f.Code, f.crashed = "killed", true
		f.Message = "the process that guards the command ended, and the command with it"
	case res.Stopped:
		f.Code, f.Message = "stopped", "the command was stopped"
	case res.Signal != "":
		f.Code, f.crashed = "signal", true
		f.Message = "the command was ended by " + res.Signal + said
	case slices.Contains(in.SuccessCodes, res.ExitCode):
		return nil
	default:
		f.Permanent = res.ExitCode == process.ExitNotExecutable || res.ExitCode == process.ExitNotFound
		f.Message = fmt.Sprintf("the command exited with code %d%s", res.ExitCode, said)
		if res.ExitCode == exitTemporary {
			f.Code = "temporary"
		}
	}
	return f
}

// exitDetail is error.detail of kind exec.
func exitDetail(res process.Result) any {
	d := struct {
		ExitCode *int    `json:"exit_code"`
		Signal   *string `json:"signal"`
	}{}
	switch {
	case res.Signal != "":
		d.Signal = &res.Signal
	case !res.Lost:
		d.ExitCode = &res.ExitCode
	}
	return d
}
