package lifecycle_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"pgregory.net/rapid"

	"github.com/weirqueue/weir/lifecycle"
)

const (
	inputItems     = 3               // how long the list in the input of a drawn plan is
	acceptedOutput = `{"list": [0]}` // of what an operator accepts
)

// object is a JSON object in the making.
type jsonObject map[string]any

// drawing is a plan and its script in the making.
type drawing struct {
	*rapid.T

	script *script
	label  int
}

// drawn is a plan, as JSON, and its script.
type drawn struct {
	text   string
	script *script
}

// draw makes a plan with everything that a plan can say, and what happens to it.
func draw(rt *rapid.T) drawn {
	d := &drawing{T: rt, script: &script{
		Ends: map[string][]ending{}, Lists: map[string]int{}, Signals: map[string]when{}, Approvals: map[string]string{}, Decisions: map[string][]string{},
	}}
	doc := d.plan("", 0)
	text, err := json.Marshal(doc)
	if err != nil {
		rt.Fatal(err)
	}
	return drawn{text: string(text), script: d.script}
}

// chance is true about so many times in a hundred, and false in what rapid takes for simpler.
func (d *drawing) chance(percent int) bool { return d.upTo(99) >= 100-percent }

func (d *drawing) upTo(n int) int {
	d.label++
	return rapid.IntRange(0, n).Draw(d.T, strconv.Itoa(d.label))
}

func pick[T any](d *drawing, from ...T) T { return from[d.upTo(len(from)-1)] }

// plan makes a plan whose steps have paths that begin with path.
func (d *drawing) plan(path string, depth int) jsonObject {
	p := jsonObject{"name": "drawn", "input": jsonObject{"list": []int{0, 1, 2}}}
	p["on_failure"] = pick(d, "continue", "continue", "cancel", "pause")
	if d.chance(25) {
		p["max_parallel"] = 1 + d.upTo(2)
	}
	if d.chance(10) {
		p["delay"] = "5ms"
	}
	if depth == 0 && d.chance(8) {
		p["timeout"] = pick(d, "20ms", "60ms", "10s")
	}
	d.limits(p, fmt.Sprintf("run%d", depth), 10)
	var steps []jsonObject
	for i := range 1 + d.upTo(6-3*depth) {
		steps = append(steps, d.step(path, steps, i, depth))
	}
	p["steps"] = steps
	if d.chance(40) {
		p["output"] = jsonObject{"of": "${{ steps." + pick(d, steps...)["key"].(string) + ".output }}"}
	}
	if depth == 0 {
		d.acts(steps)
	}
	return p
}

// limits gives a plan or step a concurrency limit or a rate, sometimes.
// What a run holds its own steps and runs must not ask for.
func (d *drawing) limits(of jsonObject, key string, percent int) {
	if d.chance(percent) {
		n, strategy := 1+d.upTo(2), pick(d, "queue", "queue", "queue", "queue", "cancel_oldest", "cancel_newest")
		of["concurrency"] = jsonObject{"key": fmt.Sprintf("%s/%s/%d", key, strategy, n), "limit": n, "strategy": strategy} // a key has one limit
	}
	if d.chance(percent) {
		of["rate"] = jsonObject{"key": key, "limit": 5, "per": "20ms"}
	}
}

// step makes a step that needs some of those before it.
func (d *drawing) step(path string, before []jsonObject, i, depth int) jsonObject {
	key := fmt.Sprintf("k%d", i)
	s := jsonObject{"key": key, "run_if": pick(d, "all_succeeded", "all_succeeded", "all_succeeded", "all_finished", "any_failed"), "allow_failure": d.chance(20)}
	needs := []string{}
	lists := []string{"${{ input.list }}"}
	for _, need := range before {
		if len(needs) < 3 && d.chance(40) {
			name := need["key"].(string)
			needs = append(needs, name)
			if need["kind"] == "noop" && need["for_each"] == nil {
				lists = append(lists, "${{ needs."+name+".output.list }}")
			}
		}
	}
	s["needs"] = needs
	paths := []string{path + key}
	if d.chance(20) {
		s["for_each"] = pick(d, lists...)
		if d.chance(50) {
			s["max_parallel"] = 1 + d.upTo(1)
		}
		paths = nil
		for child := range inputItems {
			paths = append(paths, fmt.Sprintf("%s%s[%d]", path, key, child))
		}
	}
	switch {
	case s["for_each"] == nil && d.chance(15):
		d.wait(s, path+key)
	case depth < 2 && d.chance(15):
		d.below(s, path+key, depth)
	default:
		s["kind"] = "noop"
		d.work(s, path+key, paths)
	}
	return s
}

// work makes it a step that workers do, and says how it goes.
func (d *drawing) work(s jsonObject, path string, paths []string) {
	d.limits(s, "step", 12)
	if d.chance(50) {
		retry := jsonObject{"max_attempts": 1 + d.upTo(2), "initial": "1ms", "max": "2ms"}
		if d.chance(30) {
			retry["on"] = pick(d, []string{"failed"}, []string{"crashed", "timed_out"}, []string{})
		}
		s["retry"] = retry
	}
	for _, path := range paths {
		var ends []ending
		for range d.upTo(3) {
			ends = append(ends, ending{
				Outcome: pick(d, lifecycle.OutcomeSucceeded, lifecycle.OutcomeFailed, lifecycle.OutcomeFailed, lifecycle.OutcomeCrashed, lifecycle.OutcomeTimedOut, lifecycle.OutcomeHandedBack), Permanent: d.chance(15),
			})
		}
		if len(ends) > 0 {
			d.script.Ends[path] = ends
		}
		if n := d.upTo(2); n > 0 {
			d.script.Decisions[path] = []string{pick(d, "retry", "skip", "accept", "fail"), pick(d, "retry", "skip", "accept", "fail")}[:n]
		}
	}
	d.script.Lists[path] = d.upTo(inputItems)
}

// wait makes it a step of kind wait.
func (d *drawing) wait(s jsonObject, path string) {
	s["kind"] = "wait"
	with := jsonObject{"for": pick(d, "signal", "signal", "approval", "time")}
	s["with"] = with
	switch with["for"] {
	case "time":
		with["duration"] = "5ms"
	case "signal":
		at := pick(d, early, late, never)
		d.script.Signals[path] = at
		switch {
		case at == never || at == late && d.chance(30):
			s["timeout"] = "20ms"
		case d.chance(20):
			s["timeout"] = "1h"
		}
	case "approval":
		d.script.Approvals[path] = pick(d, "accept", "accept", "fail")
	}
}

// below makes it a step of kind plan.
func (d *drawing) below(s jsonObject, path string, depth int) {
	s["kind"] = "plan"
	s["with"] = jsonObject{"plan": d.plan(path+"/", depth+1), "input": jsonObject{"more": true}}
}

// acts makes what an operator does.
func (d *drawing) acts(steps []jsonObject) {
	for range d.upTo(2) {
		do := pick(d, "pause", "pause", "pause below", "cancel step", "cancel below", "cancel")
		if do == "cancel" && d.chance(50) || slices.ContainsFunc(d.script.Acts, func(a act) bool { return a.Do == do }) {
			continue
		}
		a := act{After: d.upTo(4), Do: do}
		if do == "cancel step" {
			s := pick(d, steps...)
			if a.Path = s["key"].(string); s["for_each"] != nil && d.chance(50) {
				a.Path += "[0]"
			}
		}
		d.script.Acts = append(d.script.Acts, a)
	}
	if d.chance(40) {
		d.script.Again = &again{From: []string{}}
		for _, s := range steps {
			if d.chance(20) {
				d.script.Again.From = append(d.script.Again.From, s["key"].(string))
			}
		}
	}
}
