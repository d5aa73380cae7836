package plan

import (
	"regexp"
	"time"
	"unicode"

	"github.com/google/jsonschema-go/jsonschema"
)

// planDraft is a plan as it is read.
type planDraft struct {
	Plan
	version  int
	input    *node
	defaults policy
	output   *node
	steps    *node
	at       *node
}

// stepDraft is a step as it is read: what it does not say is not yet filled in.
type stepDraft struct {
	Step
	policy
	with    *node
	needs   *node
	forEach *node
	at      *node
	key     *node
	kind    *node
}

// policy is what a step says for itself, or the defaults say for every step. nil: not said.
type policy struct {
	queue      *string
	priority   *int
	timeout    *time.Duration
	grace      *time.Duration
	stallAfter *time.Duration
	retry      *Retry
	runsOn     *string
}

// The forms of words.
var (
	keyPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	kindPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._/-]{0,127}$`)
)

const (
	keyForm  = "1 to 128 letters, digits and . _ -, the first one a letter or digit"
	kindForm = "1 to 63 lower-case letters, digits and . _ -, the first one a letter or digit"
	nameForm = "1 to 128 lower-case letters, digits and . _ / -, the first one a letter or digit"
)

// format is the plan format: one table per object, from which the reader and the JSON Schema are made.
type format struct {
	plan    []field[planDraft]
	step    []field[stepDraft]
	wait    []field[waitDraft]
	subPlan []field[subPlanDraft]
}

// newFormat makes the tables.
func newFormat() *format {
	f := &format{wait: waitFields(), subPlan: subPlanFields()}
	f.step = append([]field[stepDraft]{
		of("key", "names the step, unique in the plan", word(keyPattern, keyForm),
			func(s *stepDraft, v string) { s.Key = v }).require(CodeWrongType),
		of("kind", "which handler runs it: exec, http, sleep, noop, or one of your own; or wait, or plan", word(kindPattern, kindForm),
			func(s *stepDraft, v string) { s.Kind = v }).require(CodeWrongType),
		of("with", "the kind's input; strings may have expressions: ${{ needs.KEY.output }}", anyObject(),
			func(s *stepDraft, v *node) { s.with = v }),
		of("needs", "keys of the steps that have to end first", needKeys(),
			func(s *stepDraft, v *node) { s.needs = v }),
		of("run_if", "when it runs, given how its needs ended; default all_succeeded", choice([]string{"all_succeeded", "all_finished", "any_failed"}),
			func(s *stepDraft, v string) { s.RunIf = v }),
		of("allow_failure", "its failure counts as a success for dependants and for the run; default false", truth(),
			func(s *stepDraft, v bool) { s.AllowFailure = v }),
		of("for_each", "an expression that gives a list of at most 10,000 items; the step is run once for each, as key[0], key[1] and so on, which see ${{ item }} and ${{ index }}; its output is the list of theirs",
			forEach(), func(s *stepDraft, v *node) { s.forEach, s.ForEach = v, v.text }),
		of("max_parallel", "how many children of for_each run at once; default no limit", whole(maxParallel),
			func(s *stepDraft, v int) { s.MaxParallel = v }),
	}, policyFields(func(s *stepDraft) *policy { return &s.policy })...)
	f.step = append(f.step, flowFields("steps",
		func(s *stepDraft) **Concurrency { return &s.Concurrency }, func(s *stepDraft) **Rate { return &s.Rate })...)
	f.step = append(f.step, later[stepDraft]("if", "matrix", "cache")...)

	f.plan = append([]field[planDraft]{
		of("version", "of this format; default 1", whole(1),
			func(p *planDraft, v int) { p.version = v }),
		of("name", "what is run; runs are listed by it", word(namePattern, nameForm),
			func(p *planDraft, v string) { p.Name = v }).require(CodeWrongType),
		of("description", "for people, at most 4 KiB", prose(maxDescription),
			func(p *planDraft, v string) { p.Description = v }),
		of("input", "what expressions see as input; default {}", anyObject(),
			func(p *planDraft, v *node) { p.input = v }),
		of("labels", "to find runs by", labels(),
			func(p *planDraft, v map[string]string) { p.Labels = v }),
		of("start_at", "nothing starts before this time; default at once", instant(),
			func(p *planDraft, v time.Time) { p.StartAt = &v }),
		of("delay", "nothing starts before so long after submit; not with start_at", duration(MaxDuration),
			func(p *planDraft, v time.Duration) { p.Delay = v }),
		of("timeout", "of the run, from its start; default none", duration(MaxDuration),
			func(p *planDraft, v time.Duration) { p.Timeout = v }),
		of("on_failure", "what the failure of a step does to the rest of the run: continue (default); cancel, which spares the steps that run after failures; pause, where the failed step waits for a decision",
			choice([]string{"continue", "cancel", "pause"}),
			func(p *planDraft, v string) { p.OnFailure = v }),
		of("max_parallel", "how many steps run at once; default no limit", whole(maxParallel),
			func(p *planDraft, v int) { p.MaxParallel = v }),
	}, flowFields("runs",
		func(p *planDraft) **Concurrency { return &p.Concurrency }, func(p *planDraft) **Rate { return &p.Rate })...)
	f.plan = append(f.plan,
		of("output", "of the run: any JSON with expressions over input, run and steps.KEY.output; default none", anyJSON(),
			func(p *planDraft, v *node) { p.output = v }),
		of("defaults", "for every step; a step's own value replaces it whole", nested(policyFields(func(p *policy) *policy { return p })),
			func(p *planDraft, v policy) { p.defaults = v }),
		of("steps", "in any order; needs say what comes first", stepList(f.step),
			func(p *planDraft, v *node) { p.steps = v }).require(CodeEmptyPlan),
	)
	f.plan = append(f.plan, later[planDraft]("for_each", "if", "matrix", "cache")...)
	return f
}

// policyFields are the fields that a step and the defaults share.
func policyFields[T any](in func(*T) *policy) []field[T] {
	return []field[T]{
		of("queue", "default exec for kind exec, else default", word(kindPattern, kindForm),
			func(t *T, v string) { in(t).queue = &v }),
		of("priority", "1 is first, 4 is last; default 2", whole(4),
			func(t *T, v int) { in(t).priority = &v }),
		of("timeout", "of one attempt; default 10m, for kind sleep its duration and 1m, for kinds wait and plan none", duration(MaxDuration),
			func(t *T, v time.Duration) { in(t).timeout = &v }),
		of("grace", "between TERM and KILL, at most 10m; default 10s", duration(10*time.Minute),
			func(t *T, v time.Duration) { in(t).grace = &v }),
		of("stall_after", "an attempt that logs and reports nothing for so long is timed_out; default never", duration(MaxDuration),
			func(t *T, v time.Duration) { in(t).stallAfter = &v }),
		of("retry", "when it is tried again; default never", retry(),
			func(t *T, v Retry) { in(t).retry = &v }),
		of("runs_on", "default replica", choice([]string{"replica"}, "remote"),
			func(t *T, v string) { in(t).runsOn = &v }),
	}
}

// retry is a retry policy; what it does not say has its default.
func retry() value[Retry] {
	v := nested([]field[Retry]{
		of("max_attempts", "how many counted failures end the step; default 1", whole(1000),
			func(r *Retry, v int) { r.MaxAttempts = v }),
		of("on", "which outcomes are tried again; default failed, crashed, timed_out", listOf([]string{"failed", "crashed", "timed_out", "lost"}),
			func(r *Retry, v []string) { r.On = v }),
		of("backoff", "exponential (default) doubles the wait each time", choice([]string{"exponential", "constant"}),
			func(r *Retry, v string) { r.Backoff = v }),
		of("initial", "the wait before the second try; default 1s", duration(MaxDuration),
			func(r *Retry, v time.Duration) { r.Initial = v }),
		of("max", "the longest wait; default 5m", duration(MaxDuration),
			func(r *Retry, v time.Duration) { r.Max = v }),
		of("jitter", "part of the wait that is added at random, 0 to 1; default 0.1", share(),
			func(r *Retry, v float64) { r.Jitter = v }),
	})
	read := v.read
	v.read = func(r *reader, n *node) (Retry, bool) {
		got, ok := read(r, n)
		return got.withDefaults(n), ok
	}
	return v
}

// defaultRetry is the policy of a step that says none.
func defaultRetry() Retry { return Retry{}.withDefaults(nil) }

func (r Retry) withDefaults(given *node) Retry {
	r.MaxAttempts = orElse(r.MaxAttempts, 1)
	r.Backoff = orElse(r.Backoff, "exponential")
	r.Initial = orElse(r.Initial, time.Second)
	r.Max = orElse(r.Max, 5*time.Minute)
	if given == nil || given.find("jitter") == nil {
		r.Jitter = 0.1
	}
	return r
}

func orElse[V comparable](v, other V) V {
	var zero V
	if v == zero {
		return other
	}
	return v
}

// labels are key: value pairs.
func labels() value[map[string]string] {
	key := word(kindPattern, kindForm)
	return value[map[string]string]{
		schema: func() *jsonschema.Schema {
			most, longest := maxLabels, maxLabel
			return &jsonschema.Schema{
				Type: "object", MaxProperties: &most, PropertyNames: key.schema(),
				AdditionalProperties: &jsonschema.Schema{Type: "string", MaxLength: &longest},
			}
		},
		read: func(r *reader, n *node) (map[string]string, bool) {
			if !isA(r, n, object) {
				return nil, false
			}
			if len(n.members) > maxLabels {
				r.fault(n, CodeOutOfRange, "must be at most %d labels", maxLabels)
				return nil, false
			}
			got := make(map[string]string, len(n.members))
			for i := range n.members {
				m := &n.members[i]
				r.enter(m.name)
				switch {
				case !kindPattern.MatchString(m.name):
					r.fault(&m.value, CodeOutOfRange, "the name of a label must be %s", kindForm)
				case !isA(r, &m.value, text):
				case !printable(m.value.text):
					r.fault(&m.value, CodeOutOfRange, "must be at most %d printable characters", maxLabel)
				}
				got[m.name] = m.value.text
				r.leave()
			}
			return got, true
		},
	}
}

func printable(s string) bool {
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return false
		}
	}
	return characters(s) <= maxLabel
}

// needKeys is a list of step keys. What they lead to is looked at when all steps are known.
func needKeys() value[*node] {
	key := word(keyPattern, keyForm)
	return value[*node]{
		schema: func() *jsonschema.Schema {
			return &jsonschema.Schema{Type: "array", Items: key.schema(), UniqueItems: true}
		},
		read: func(r *reader, n *node) (*node, bool) {
			if !isA(r, n, list) {
				return nil, false
			}
			for i := range n.items {
				r.enterItem(i)
				if _, ok := key.read(r, &n.items[i]); !ok {
					n.items[i].kind = invalid
				}
				r.leave()
			}
			return n, true
		},
	}
}

// stepList is the list of steps; they are read one by one.
func stepList(fields []field[stepDraft]) value[*node] {
	return value[*node]{
		schema: func() *jsonschema.Schema {
			least, most := 1, Limits{}.withDefaults().Steps
			return &jsonschema.Schema{Type: "array", MinItems: &least, MaxItems: &most, Items: schemaOf(fields)}
		},
		read: func(r *reader, n *node) (*node, bool) { return n, isA(r, n, list) },
	}
}
