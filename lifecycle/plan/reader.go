package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weirqueue/weir/lifecycle/expr"
)

// reader collects faults while a text is read, and knows where it is.
type reader struct {
	limits Limits
	at     []place
	count  int32 // values so far

	stepCount, needCount int      // of the plan and those inside it so far
	held                 []string // by depth: concurrency keys of the plans in which the reader is; "" = none

	faults []located
	more   bool // faults were left out
}

// place is one step of a path: a member's name, or an index if name is nil.
type place struct {
	name  string
	index int // -1: a name
}

// located is a fault with its place in the text, for the order.
type located struct {
	Fault
	pos int32
}

func newReader(l Limits) *reader { return &reader{limits: l.withDefaults()} }

func (r *reader) enter(name string) { r.at = append(r.at, place{name: name, index: -1}) }
func (r *reader) enterItem(i int)   { r.at = append(r.at, place{index: i}) }
func (r *reader) leave()            { r.at = r.at[:len(r.at)-1] }

// path is where the reader is.
func (r *reader) path() string {
	var b strings.Builder
	for i, p := range r.at {
		switch {
		case p.index >= 0:
			b.WriteString("[" + strconv.Itoa(p.index) + "]")
		case i == 0:
			b.WriteString(strings.TrimPrefix(expr.Member("", p.name), "."))
		default:
			b.WriteString(expr.Member("", p.name))
		}
	}
	return b.String()
}

// fault notes what is wrong with the value at which the reader is.
func (r *reader) fault(n *node, code, format string, args ...any) {
	if r.full() {
		return
	}
	r.add(Fault{Path: r.path(), Code: code, Message: fmt.Sprintf(format, args...), Line: int(n.line)}, n.pos)
}

// faultIn is fault for a member, which need not be there.
func (r *reader) faultIn(n *node, name, code, format string, args ...any) {
	r.enter(name)
	r.fault(n, code, format, args...)
	r.leave()
}

func (r *reader) full() bool {
	r.more = r.more || len(r.faults) >= r.limits.Faults
	return r.more
}

func (r *reader) add(f Fault, pos int32) {
	if !r.full() {
		r.faults = append(r.faults, located{Fault: f, pos: pos})
	}
}

// err is all faults in the order of the text, or nil.
func (r *reader) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(r.faults, func(a, b located) int { return int(a.pos) - int(b.pos) })
	faults := make(Faults, 0, len(r.faults)+1)
	for _, f := range r.faults {
		faults = append(faults, f.Fault)
	}
	if r.more {
		faults = append(faults, Fault{
			Code: CodeOutOfRange, Message: fmt.Sprintf("has more faults than the %d that are listed", r.limits.Faults),
		})
	}
	return faults
}
