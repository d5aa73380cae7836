//go:build linux

package workload

import (
	"fmt"
	"slices"
)

// Queues are the queues that plans use. Replicas need slots in all of them: see [Flags].
func Queues() []string { return []string{"default", "exec", "fast"} }

// Flags are what a replica must be given to be up to the plans.
func Flags() []string {
	return []string{"--enable-exec", "--queue", "default=40", "--queue", "exec=16", "--queue", "fast=20"}
}

// step makes a step that needs some of those before it.
func (d *drawing) step(before []object, depth int) object {
	s := object{"key": fmt.Sprintf("k%d", len(before))}
	gives := d.needs(s, before)
	switch n := d.upTo(99); {
	case n < 10:
		s["run_if"] = "all_finished"
	case n < 14:
		s["run_if"] = "any_failed"
	case n < 20:
		s["run_if"] = "all_succeeded"
	}
	if d.chance(20) {
		s["allow_failure"] = true
	}
	d.forEach(s, gives)
	switch n := d.upTo(99); {
	case n < 10:
		d.wait(s)
	case n < 18 && depth < maxDepth:
		d.below(s, depth)
	case n < 22:
		s["kind"] = "noop"
		if d.chance(70) {
			s["with"] = object{"output": object{"list": []int{0, 1}, "n": 2, "text": "noop"}}
		}
		d.policy(s)
	case n < 26:
		s["kind"], s["with"] = "sleep", object{"duration": d.between(10, 300)}
		d.policy(s)
	case n < 27:
		s["kind"], s["with"] = "http", object{"url": "http://127.0.0.1:9/", "method": pick(d, "GET", "POST")} // refused: a private address
		d.policy(s)
	case n < 40:
		d.exec(s)
		d.policy(s)
	default:
		d.work(s, gives)
		d.policy(s)
	}
	return s
}

// needs draws what a step needs, and answers those of them that give a list.
func (d *drawing) needs(s object, before []object) (gives []string) {
	needs := []string{}
	for _, need := range slices.Backward(before) {
		if len(needs) < 3 && d.chance(35) {
			key := need["key"].(string)
			needs = append(needs, key)
			if kind := need["kind"]; need["for_each"] == nil && (kind == "work" || kind == "noop" || kind == "exec") {
				gives = append(gives, key)
			}
		}
	}
	if len(needs) > 0 || d.chance(10) {
		s["needs"] = needs
	}
	return gives
}

func (d *drawing) forEach(s object, gives []string) {
	if !d.chance(10) {
		return
	}
	s["for_each"] = "${{ input.list }}"
	if len(gives) > 0 && d.chance(50) {
		s["for_each"] = "${{ needs." + pick(d, gives...) + ".output.list }}"
	}
	if d.chance(50) {
		s["max_parallel"] = 1 + d.upTo(1)
	}
}

// policy is what only steps have that workers run.
func (d *drawing) policy(s object) {
	if d.chance(15) {
		s["priority"] = 1 + d.upTo(3)
	}
	if s["timeout"] == nil && d.chance(6) {
		s["timeout"] = d.between(300, 2000)
	}
	if d.chance(10) {
		s["grace"] = pick(d, "1s", "500ms")
	}
	if s["stall_after"] == nil && d.chance(4) {
		s["stall_after"] = d.between(300, 1500)
	}
	if d.chance(35) {
		s["retry"] = d.retry()
	}
	switch {
	case s["kind"] == "exec": // where commands are enabled
	case d.chance(15):
		s["queue"] = pick(d, "default", "fast")
	}
	if d.chance(2) {
		s["runs_on"] = "replica"
	}
	if d.chance(10) {
		s["concurrency"] = d.concurrency("step")
	}
	if d.chance(4) {
		s["rate"] = d.rate("step")
	}
}

// work makes it a step of our own kind.
func (d *drawing) work(s object, gives []string) {
	s["kind"] = "work"
	var acts []object
	for range 1 + d.upTo(2) {
		acts = append(acts, d.act(s))
	}
	with := object{"attempts": acts}
	if d.chance(30) {
		over := object{"text": "attempt ${{ attempt }} of ${{ step.key }} of ${{ run.name }}", "in": "${{ input.deep.er[1] }}", "odd": "$${{ literal }}"}
		for _, need := range gives {
			over["n"], over["state"] = "${{ needs."+need+".output.n }}", "${{ needs."+need+".state }}"
		}
		if s["for_each"] != nil {
			over["item"] = "${{ item }} at ${{ index }}"
		}
		if d.chance(5) {
			over["missing"] = "${{ input.missing }}"
		}
		with["over"] = over
	}
	s["with"] = with
}

// act is what one attempt does. What would go on for ever gives its step a deadline.
func (d *drawing) act(s object) object {
	act := object{"do": "ok", "for": 10 * d.upTo(30)}
	switch n := d.upTo(99); {
	case n < 8:
		act["do"] = pick(d, "fail", "fail", "fail", "later", "permanent")
	case n < 10:
		act["do"] = pick(d, "panic", "panic", "exit")
	case n < 12:
		act["do"] = "hang"
		if d.chance(40) {
			s["stall_after"] = d.between(300, 1000)
		} else {
			s["timeout"] = d.between(300, 1000)
		}
	case n < 13:
		act["do"], act["for"] = "ignore", 500+100*d.upTo(10)
		s["timeout"], s["grace"] = d.between(300, 800), pick(d, "500ms", "1s")
	case n < 17:
		act["output"] = pick(d, "big", "nul", "bytes", "deep", "null", "bad")
	}
	if d.chance(25) {
		act["lines"], act["tell"] = 1+d.upTo(4), d.chance(50)
	}
	return act
}

// exec makes it a step that runs our command.
func (d *drawing) exec(s object) {
	s["kind"] = "exec"
	words := []string{d.command}
	with := object{}
	for range 1 + d.upTo(1) {
		ms := 10 * d.upTo(20)
		switch n := d.upTo(99); {
		case n < 8:
			words = append(words, fmt.Sprintf("fail:%d:%d", ms, pick(d, 1, 3, 75, 126)))
		case n < 12:
			words = append(words, fmt.Sprintf("signal:%d:%d", ms, pick(d, 1, 9)))
		case n < 15:
			words = append(words, fmt.Sprintf("ignore:%d", 500+ms))
			s["timeout"], s["grace"] = "300ms", "500ms"
		case n < 18:
			words = append(words, fmt.Sprintf("ok:%d", 30_000))
			s["timeout"] = d.between(300, 800)
		case n < 24:
			words = append(words, fmt.Sprintf("fork:%d:%d", ms, 60_000))
		default:
			words = append(words, fmt.Sprintf("ok:%d", ms))
		}
	}
	if d.chance(15) {
		output := pick(d, "file", "stdout", "none")
		with["output"] = output
		words = []string{d.command, fmt.Sprintf("ok:%d:%s", 10*d.upTo(20), output)}
	}
	with["command"] = words
	if d.chance(15) {
		with["workspace"], with["cleanup"] = pick(d, "run", "step"), pick(d, "success", "always")
	}
	if d.chance(15) {
		with["env"], with["stdin"] = object{"GREETING": "hello ${{ input.text }}"}, pick[any](d, nil, "text", object{"n": "${{ input.n }}"})
	}
	if d.chance(10) {
		with["success_codes"] = []int{0, 3}
	}
	s["with"] = with
}

// wait makes it a step of kind wait.
func (d *drawing) wait(s object) {
	s["kind"] = "wait"
	with := object{"for": pick(d, "signal", "signal", "approval", "time")}
	s["with"] = with
	switch with["for"] {
	case "time":
		if d.chance(80) {
			with["duration"] = d.between(10, 500)
		} else {
			with["until"] = "2020-02-29T12:00:00Z"
		}
	default:
		switch n := d.upTo(9); {
		case n < 2:
			s["key"], s["timeout"] = "never-"+s["key"].(string), d.between(300, 1000)
		case n < 4 && with["for"] == "signal" && s["for_each"] == nil:
			s["key"] = "early-" + s["key"].(string)
		case n < 5:
			s["timeout"] = "1h"
		}
		if with["for"] == "signal" && d.chance(30) {
			delete(with, "for")
		}
	}
}

// below makes it a step of kind plan.
func (d *drawing) below(s object, depth int) {
	s["kind"] = "plan"
	with := object{}
	s["with"] = with
	if d.chance(30) {
		with["plan"] = pick(d, leafPlan, leafPlan+"@1", pairPlan)
	} else {
		inner := d.plan(d.name+"/below", depth+1)
		with["plan"] = inner
		if inner["concurrency"] == nil && d.chance(20) {
			s["concurrency"] = d.concurrency(fmt.Sprintf("below%d", depth))
		}
	}
	if d.chance(50) {
		with["input"] = object{"n": "${{ input.n }}", "more": true}
	}
	if d.chance(10) {
		s["timeout"] = d.between(500, 3000)
	}
}
