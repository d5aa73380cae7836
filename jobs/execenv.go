package jobs

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// inherited are the variables of the replica that every command gets.
var inherited = [...]string{"PATH", "HOME", "LANG", "TMPDIR"}

// defaultPath is the PATH of commands when the replica has none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environ is the whole environment of a command: a few variables of the replica, what the operator passes on, what the
// step says, and Weir's own. Nothing else.
func (x *execKind) environ(a *Attempt, in execInput, file string) ([]string, error) {
	env := map[string]string{"PATH": defaultPath}
	for _, kv := range x.cfg.Environ {
		name, value, ok := strings.Cut(kv, "=")
		if ok && x.passes(name) {
			env[name] = value
		}
	}
	for name, value := range in.Env {
		if fault := envFault(name, value); fault != "" {
			return nil, invalidWith(member("with.env", name) + ": " + fault)
		}
		env[name] = value
	}
	maps.Copy(env, map[string]string{
		"WEIR_RUN": a.Run.String(), "WEIR_STEP": a.Step, "WEIR_ATTEMPT": strconv.Itoa(a.Attempt),
		"WEIR_IDEMPOTENCY_KEY": a.IdempotencyKey(), "WEIR_OUTPUT": file, "TRACEPARENT": traceParent(a),
	})
	out := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out, nil
}

// passes says whether a variable of the replica reaches commands. Weir's own never does.
func (x *execKind) passes(name string) bool {
	switch {
	case strings.HasPrefix(name, "WEIR_"):
		return false
	case slices.Contains(inherited[:], name) || slices.Contains(x.cfg.PassEnv, name):
		return true
	}
	return slices.Contains(x.cfg.PassEnv, "*") && !strings.HasPrefix(name, "PG")
}

func envFault(name, value string) string {
	switch {
	case strings.HasPrefix(name, "WEIR_"):
		return "names that begin with WEIR_ are Weir's own"
	case name == "" || strings.ContainsAny(name, "=\x00"):
		return "is no name of a variable"
	case strings.Contains(value, "\x00"):
		return "holds a NUL character"
	}
	return ""
}

// traceParent is a W3C trace context in which the run is the trace and the attempt the parent span.
func traceParent(a *Attempt) string {
	span := sha256.Sum256([]byte(a.IdempotencyKey() + "/" + strconv.Itoa(a.Attempt)))
	return fmt.Sprintf("00-%x-%x-01", a.Run[:], span[:8])
}
