package plan

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/weirqueue/weir/lifecycle/cron"
)

// Schedule is when and how a named plan is run by itself. Every default is filled in.
type Schedule struct {
	Plan     string
	Version  int             // of the plan; 0 = the latest at each slot
	Input    json.RawMessage // an object, whose members replace those of the plan's input; never nil
	Cron     string
	Timezone string
	Jitter   time.Duration // 0 = none
	Overlap  string        // skip, queue, allow, replace
	Missed   string        // skip, once, all
	Window   time.Duration // how long ago a missed slot may be to be made up for
	Paused   *bool         // nil: not said
}

// The defaults of a schedule.
const (
	defaultTimezone = "UTC"
	defaultOverlap  = "skip"
	defaultMissed   = "once"
	defaultWindow   = day
)

// scheduleDraft is a Schedule as it is read.
type scheduleDraft struct {
	Schedule
	input, cron, timezone *node
}

// scheduleFields is made once: it never changes.
var scheduleFields = sync.OnceValue(newScheduleFields)

func newScheduleFields() []field[scheduleDraft] {
	return []field[scheduleDraft]{
		of("plan", "the name of a named plan: name, for the latest version at each slot, or name@version", ref(),
			func(d *scheduleDraft, v reference) { d.Plan, d.Version = v.name, v.version }).require(CodeWrongType),
		of("input", "an object whose members replace those of the plan's input; default {}", anyObject(),
			func(d *scheduleDraft, v *node) { d.input = v }),
		of("cron", "when: minute, hour, day of month, month, day of week, with seconds first where there are 6; or @yearly, @monthly, @weekly, @daily, @hourly, @every DURATION", line(),
			func(d *scheduleDraft, v *node) { d.cron = v }).require(CodeWrongType),
		of("timezone", "of the IANA database, like Europe/Berlin; default UTC", line(),
			func(d *scheduleDraft, v *node) { d.timezone = v }),
		of("jitter", "how much later than its slot a run may be submitted; how much it is follows from name and slot; default 0s", durationOrNone(),
			func(d *scheduleDraft, v time.Duration) { d.Jitter = v }),
		of("overlap", "what happens at a slot while an earlier run is open; default skip", choice([]string{"skip", "queue", "allow", "replace"}),
			func(d *scheduleDraft, v string) { d.Overlap = v }),
		of("missed", "what happens to slots at which nothing could fire: skip them, run once for the newest, or all; default once", choice([]string{"skip", "once", "all"}),
			func(d *scheduleDraft, v string) { d.Missed = v }),
		of("window", "how long ago a missed slot may be to be made up for; default 1d", duration(MaxDuration),
			func(d *scheduleDraft, v time.Duration) { d.Window = v }),
		of("paused", "whether it fires nothing; if it is not said, a schedule stays as it is and a new one is not paused", truth(),
			func(d *scheduleDraft, v bool) { d.Paused = &v }),
	}
}

// line is a string whose form is looked at later; its node is kept.
func line() value[*node] {
	return value[*node]{
		schema: func() *jsonschema.Schema { return &jsonschema.Schema{Type: "string", MinLength: new(1)} },
		read:   func(r *reader, n *node) (*node, bool) { return n, isA(r, n, text) },
	}
}

// durationOrNone is a duration that may be 0s.
func durationOrNone() value[time.Duration] {
	v := duration(MaxDuration)
	read := v.read
	v.read = func(r *reader, n *node) (time.Duration, bool) {
		if n.kind == text && n.text == "0s" {
			return 0, true
		}
		return read(r, n)
	}
	return v
}

// ParseSchedule reads a schedule in JSON. The error is [Faults], everything that is wrong with it, or a *[SyntaxError].
func (l Limits) ParseSchedule(src []byte) (*Schedule, error) {
	r := newReader(l)
	if err := r.size(src); err != nil {
		return nil, err
	}
	n, err := readJSON(r, src)
	if err != nil {
		return nil, err
	}
	r.at = r.at[:0]
	d := scheduleDraft{Schedule: Schedule{
		Input: json.RawMessage("{}"), Timezone: defaultTimezone, Overlap: defaultOverlap, Missed: defaultMissed, Window: defaultWindow,
	}}
	readFields(r, &n, scheduleFields(), &d)
	if d.input != nil {
		d.Input = r.input(d.input)
	}
	zone := time.UTC
	if d.timezone != nil {
		d.Timezone = d.timezone.text
		if zone, err = cron.Zone(d.Timezone); err != nil {
			r.faultIn(d.timezone, "timezone", CodeOutOfRange, "%s", err)
			zone = time.UTC
		}
	}
	if d.cron != nil {
		d.Cron = d.cron.text
		if _, err := cron.Parse(d.Cron, zone, ParseDuration); err != nil {
			r.faultIn(d.cron, "cron", CodeOutOfRange, "%s", err)
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return &d.Schedule, nil
}

// When says when the schedule is due.
func (s *Schedule) When() (*cron.Schedule, error) {
	zone, err := cron.Zone(s.Timezone)
	if err != nil {
		return nil, err
	}
	return cron.Parse(s.Cron, zone, ParseDuration)
}

// ScheduleSchema returns the JSON Schema of a schedule. The caller may change it.
func ScheduleSchema() *jsonschema.Schema { return schemaOf(newScheduleFields()) }

// NamedSchema returns the JSON Schema of a request to run a named plan. The caller may change it.
func NamedSchema() *jsonschema.Schema { return schemaOf(newNamedFields()) }
