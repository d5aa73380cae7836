package plan

import (
	"regexp"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/weirqueue/weir/lifecycle/expr"
)

// What contract 2.3 fixes for every plan.
const (
	// MaxDepth is how many levels of child runs a run can have below it.
	MaxDepth = 8
	// MaxItems is how many children a for_each can have.
	MaxItems = 10_000

	maxParallel    = 10_000
	maxConcurrency = 100_000
	maxRate        = 1_000_000
)

var limitKeyPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$`)

const (
	limitKeyForm = "1 to 128 letters, digits and . _ - / :, the first one a letter or digit"
	timePattern  = `^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$`
	timeForm     = "must be a time like 2026-07-01T08:00:00Z"
)

var timeShape = regexp.MustCompile(timePattern)

// IsLimitKey reports whether a text can be the key of a run or of a limit.
func IsLimitKey(key string) bool { return limitKeyPattern.MatchString(key) }

// flowFields are the limits that a plan and a step share.
func flowFields[T any](what string, concurrency func(*T) **Concurrency, rate func(*T) **Rate) []field[T] {
	return []field[T]{
		of("concurrency", "how many "+what+" with the same key run at once, across all runs", nested([]field[Concurrency]{
			of("key", "a text, may have expressions over input and run", limitKey(),
				func(c *Concurrency, v string) { c.Key = v }).require(CodeWrongType),
			of("limit", "how many at once, 1 to 100,000; a limit set for the key overrides it", whole(maxConcurrency),
				func(c *Concurrency, v int) { c.Limit = v }).require(CodeWrongType),
			of("strategy", "what happens when all slots are taken: queue (default) waits, cancel_oldest cancels who holds one the longest, cancel_newest cancels the newcomer",
				choice([]string{"queue", "cancel_oldest", "cancel_newest"}),
				func(c *Concurrency, v string) { c.Strategy = v }),
		}), func(t *T, v Concurrency) { v.Strategy = orElse(v.Strategy, "queue"); *concurrency(t) = &v }),
		of("rate", "how often "+what+" with the same key start, across all runs", nested([]field[Rate]{
			of("key", "a text, may have expressions over input and run", limitKey(),
				func(r *Rate, v string) { r.Key = v }).require(CodeWrongType),
			of("limit", "how many starts in each period, 1 to 1,000,000; so many can come at once", whole(maxRate),
				func(r *Rate, v int) { r.Limit = v }).require(CodeWrongType),
			of("per", "the period", duration(MaxDuration),
				func(r *Rate, v time.Duration) { r.Per = v }).require(CodeWrongType),
		}), func(t *T, v Rate) { *rate(t) = &v }),
	}
}

// limitKey is the key of a limit, with or without expressions.
func limitKey() value[string] {
	plain := word(limitKeyPattern, limitKeyForm+", or have expressions over input and run")
	visible := expr.Visible{Input: true, Run: true}
	return value[string]{
		schema: func() *jsonschema.Schema {
			most := maxDescription
			return &jsonschema.Schema{Type: "string", MaxLength: &most, Pattern: limitKeyPattern.String() + `|\$\{\{`}
		},
		read: func(r *reader, n *node) (string, bool) {
			if n.kind != text || !expr.Has(n.text) {
				return plain.read(r, n)
			}
			if len(n.text) > maxDescription {
				r.fault(n, CodeOutOfRange, "must be at most %d bytes long", maxDescription)
				return "", false
			}
			problems := expr.CheckText(n.text, visible)
			for _, p := range problems {
				r.fault(n, p.Code, "%s", p.Message)
			}
			return n.text, len(problems) == 0
		},
	}
}

// instant is a time as RFC 3339 has it; what is finer than a microsecond is cut off.
func instant() value[time.Time] {
	return value[time.Time]{
		schema: func() *jsonschema.Schema {
			return &jsonschema.Schema{Type: "string", Format: "date-time", Pattern: timePattern}
		},
		read: func(r *reader, n *node) (time.Time, bool) {
			if !isA(r, n, text) {
				return time.Time{}, false
			}
			t, ok := parseTime(n.text)
			if !ok {
				r.fault(n, CodeWrongType, timeForm)
			}
			return t, ok
		},
	}
}

func parseTime(s string) (time.Time, bool) {
	if !timeShape.MatchString(s) {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC().Truncate(time.Microsecond), err == nil
}

// anyJSON is any value; its node is kept.
func anyJSON() value[*node] {
	return value[*node]{
		schema: func() *jsonschema.Schema { return &jsonschema.Schema{} },
		read:   func(_ *reader, n *node) (*node, bool) { return n, n.kind != invalid },
	}
}

// forEach is the expression of a step's list.
func forEach() value[*node] {
	return value[*node]{
		schema: func() *jsonschema.Schema {
			most := maxDescription
			return &jsonschema.Schema{Type: "string", MaxLength: &most, Pattern: `^\$\{\{[\s\S]*\}\}$`}
		},
		read: func(r *reader, n *node) (*node, bool) {
			switch {
			case n.kind == list:
				r.fault(n, CodeWrongType, "is a list, must be an expression that gives one: put the list into input and say ${{ input.NAME }}")
				return nil, false
			case !isA(r, n, text):
				return nil, false
			case len(n.text) > maxDescription:
				r.fault(n, CodeOutOfRange, "must be at most %d bytes long", maxDescription)
				return nil, false
			}
			return n, true
		},
	}
}
