package plan

import (
	"fmt"
	"strings"
)

// graph looks at keys and needs of all steps: duplicates, needs that are no steps, cycles. It fills in Needs and
// NeedOrdinals, and gives the ordinals of all keys. Its work is proportional to the number of steps and needs.
func (r *reader) graph(steps []stepDraft) map[string]int {
	ordinals := make(map[string]int, len(steps))
	for i := range steps {
		s := &steps[i]
		if s.Key == "" {
			continue
		}
		if other, taken := ordinals[s.Key]; taken {
			r.faultAt(s.key, fmt.Sprintf("steps[%d].key", i), CodeDuplicateKey, fmt.Sprintf("is the key of steps[%d] too", other-1))
			continue
		}
		ordinals[s.Key] = i + 1
	}
	for i := range steps {
		if steps[i].needs != nil {
			r.needs(steps, i, ordinals)
		}
	}
	for _, c := range cycles(steps) {
		r.cycle(steps, c)
	}
	return ordinals
}

// faultAt notes what is wrong with a value below the plan at which the reader is.
func (r *reader) faultAt(n *node, path, code, message string) {
	r.add(Fault{Path: r.below(path), Code: code, Message: message, Line: int(n.line)}, n.pos)
}

// below is a path below where the reader is.
func (r *reader) below(path string) string {
	if len(r.at) == 0 {
		return path
	}
	return r.path() + "." + path
}

// suggestUpTo is in plans of how many steps a key is suggested: looking for it takes time.
const suggestUpTo = 500

// needs resolves the needs of one step.
func (r *reader) needs(steps []stepDraft, i int, ordinals map[string]int) {
	s := &steps[i]
	items := s.needs.items
	before := r.needCount
	if r.needCount += len(items); before <= r.limits.Needs && r.needCount > r.limits.Needs {
		r.faultAt(s.needs, fmt.Sprintf("steps[%d].needs", i), CodeOutOfRange, fmt.Sprintf("brings the plan to more than %d needs", r.limits.Needs))
	}
	seen := make(map[int]bool, len(items))
	for k := range items {
		n := &items[k]
		if n.kind != text {
			continue
		}
		path := func() string { return fmt.Sprintf("steps[%d].needs[%d]", i, k) }
		ordinal, known := ordinals[n.text]
		switch {
		case !known:
			if !r.full() {
				r.faultAt(n, path(), CodeUnknownNeed, "is the key of no step"+suggestKey(n.text, steps))
			}
		case n.text == s.Key:
			r.faultAt(n, path(), CodeSelfNeed, "is the step itself")
		case seen[ordinal]:
			r.faultAt(n, path(), CodeDuplicateKey, "stands in the list twice")
		default:
			seen[ordinal] = true
			s.Needs = append(s.Needs, n.text)
			s.NeedOrdinals = append(s.NeedOrdinals, ordinal)
		}
	}
}

func suggestKey(key string, steps []stepDraft) string {
	if len(steps) > suggestUpTo {
		return ""
	}
	keys := make([]string, 0, len(steps))
	for i := range steps {
		if steps[i].Key != "" {
			keys = append(keys, steps[i].Key)
		}
	}
	return suggest(key, keys)
}

// cycle says which steps need each other in a circle.
func (r *reader) cycle(steps []stepDraft, ordinals []int) {
	keys := make([]string, len(ordinals))
	for i, o := range ordinals {
		keys[i] = steps[o-1].Key
	}
	const most = 20
	named := append([]string{}, keys...)
	if len(named) > most {
		named = append(named[:most], "…")
	}
	first, next := ordinals[0]-1, ordinals[1%len(ordinals)]
	n, path := steps[first].at, fmt.Sprintf("steps[%d].needs", first)
	for k := range steps[first].needs.items {
		if item := &steps[first].needs.items[k]; item.text == steps[next-1].Key {
			n, path = item, fmt.Sprintf("steps[%d].needs[%d]", first, k)
			break
		}
	}
	r.add(Fault{
		Path: r.below(path), Code: CodeCycle, Line: int(n.line), Detail: keys,
		Message: "these steps need each other in a circle: " + strings.Join(append(named, keys[0]), " needs "),
	}, n.pos)
}

// cycles gives one cycle, a shortest one through its first step, for every set of steps that need each other. Each is a
// list of ordinals in which every step needs the next one and the last one needs the first, which comes first in the plan.
func cycles(steps []stepDraft) [][]int {
	var found [][]int
	for _, set := range components(steps) {
		found = append(found, cycleIn(steps, set))
	}
	return found
}

// components are the sets of more than one step that all need each other, directly or not, by Tarjan's algorithm without
// recursion: chains may be as long as plans.
func components(steps []stepDraft) [][]int {
	const unseen = 0
	order := make([]int, len(steps)+1) // by ordinal: when it was seen, from 1
	low := make([]int, len(steps)+1)
	onStack := make([]bool, len(steps)+1)
	var stack []int
	type frame struct{ step, next int }
	var frames []frame
	var sets [][]int
	count := 0
	visit := func(o int) {
		count++
		order[o], low[o], onStack[o] = count, count, true
		stack = append(stack, o)
		frames = append(frames, frame{step: o})
	}
	for root := 1; root <= len(steps); root++ {
		if order[root] != unseen {
			continue
		}
		visit(root)
		for len(frames) > 0 {
			f := &frames[len(frames)-1]
			o := f.step
			if needs := steps[o-1].NeedOrdinals; f.next < len(needs) {
				need := needs[f.next]
				f.next++
				switch {
				case order[need] == unseen:
					visit(need)
				case onStack[need]:
					low[o] = min(low[o], order[need])
				}
				continue
			}
			frames = frames[:len(frames)-1]
			if len(frames) > 0 {
				parent := frames[len(frames)-1].step
				low[parent] = min(low[parent], low[o])
			}
			if low[o] != order[o] {
				continue
			}
			start := len(stack) - 1
			for stack[start] != o {
				start--
			}
			for _, member := range stack[start:] {
				onStack[member] = false
			}
			if len(stack)-start > 1 {
				sets = append(sets, append([]int{}, stack[start:]...))
			}
			stack = stack[:start]
		}
	}
	return sets
}

// cycleIn is a shortest cycle through the first step of a set whose steps all need each other.
func cycleIn(steps []stepDraft, set []int) []int {
	first := set[0]
	in := make(map[int]bool, len(set))
	for _, o := range set {
		in[o] = true
		first = min(first, o)
	}
	from := map[int]int{} // by ordinal: which step led there
	queue := []int{first}
	for len(queue) > 0 {
		o := queue[0]
		queue = queue[1:]
		for _, need := range steps[o-1].NeedOrdinals {
			if need == first {
				cycle := []int{}
				for ; o != first; o = from[o] {
					cycle = append(cycle, o)
				}
				cycle = append(cycle, first)
				for a, b := 0, len(cycle)-1; a < b; a, b = a+1, b-1 {
					cycle[a], cycle[b] = cycle[b], cycle[a]
				}
				return cycle
			}
			if _, seen := from[need]; in[need] && !seen {
				from[need] = o
				queue = append(queue, need)
			}
		}
	}
	return set
}
