//go:build linux

package workload

import (
	"encoding/json"
	"fmt"
	"strconv"

	"pgregory.net/rapid"
)

// The plans that are put under a name before anything is submitted. Steps and requests name them.
const (
	leafPlan = "prove/leaf"
	pairPlan = "prove/pair"
)

// maxDepth is how deep plans are inside of plans. Those that have a name have none inside.
const maxDepth = 2

// Plans draws plans.
type Plans struct {
	Seed    uint64
	Command string // the path of the binary that steps of kind exec run
}

// Plan is plan number i of the seed, as JSON; always the same.
func (p Plans) Plan(i int) json.RawMessage {
	return p.draw("drawn/"+strconv.Itoa(i), 0)
}

// Named are the plans that the others name.
func (p Plans) Named() map[string]json.RawMessage {
	return map[string]json.RawMessage{leafPlan: p.draw(leafPlan, maxDepth), pairPlan: p.draw(pairPlan, maxDepth)}
}

// draw makes a plan that can stand inside of depth others.
func (p Plans) draw(name string, depth int) json.RawMessage {
	generator := rapid.Custom(func(t *rapid.T) json.RawMessage {
		d := &drawing{T: t, name: name, command: p.Command}
		text, err := json.Marshal(d.plan(name, depth))
		if err != nil {
			t.Fatal(err)
		}
		return text
	})
	return generator.Example(int(number(p.Seed, "plan", name) >> 1))
}

// plan makes a plan, which is inside of depth others.
func (d *drawing) plan(name string, depth int) object {
	p := object{"name": name, "input": object{"list": []int{0, 1, 2}, "n": d.upTo(99), "text": "drawn", "deep": object{"er": []string{"a", "b"}}}}
	if d.chance(20) {
		p["version"] = 1
		p["description"] = "drawn at random: ünïcödé, \"quotes\" and ${{ no.expression }}"
		p["labels"] = object{"drawn": "yes", "of": strconv.Itoa(depth)}
	}
	p["on_failure"] = pick(d, "continue", "continue", "continue", "cancel", "pause")
	if d.chance(20) {
		p["max_parallel"] = 1 + d.upTo(2)
	}
	switch {
	case d.chance(8):
		p["delay"] = d.between(50, 500)
	case d.chance(3):
		p["start_at"] = "2020-02-29T12:00:00.123456Z"
	}
	if d.chance(6) {
		p["timeout"] = d.between(500, 3000)
	}
	d.runLimits(p, depth)
	p["defaults"] = d.defaults()
	var steps []object
	for range 1 + d.upTo(10)>>depth {
		steps = append(steps, d.step(steps, depth))
	}
	if depth == 0 && d.chance(16) {
		steps = append(steps, d.long())
	}
	p["steps"] = steps
	if d.chance(40) {
		p["output"] = object{"of": fmt.Sprintf("${{ steps.%s.output }}", pick(d, steps...)["key"]), "n": "${{ input.n }}", "text": "run ${{ run.id }}"}
	}
	return p
}

// long is a step that runs for about as long as a replica may be silent, and is tried again when that is lost: what comes
// back may then report an attempt while the next one runs.
func (d *drawing) long() object {
	return object{
		"key": "long", "kind": "work", "with": object{"attempts": []object{{"do": "ok", "for": 3000 + 100*d.upTo(50)}}},
		"retry": object{"max_attempts": 3, "initial": "10ms", "on": []string{"failed", "lost"}},
	}
}

// defaults keep everything short: what is lost or forgotten must not hold up the end.
func (d *drawing) defaults() object {
	defaults := object{"grace": "1s", "timeout": "30s"}
	if d.chance(20) {
		defaults["priority"] = 1 + d.upTo(3)
	}
	if d.chance(15) {
		defaults["retry"] = d.retry()
	}
	if d.chance(5) {
		defaults["stall_after"] = d.between(1000, 2000)
	}
	if d.chance(5) {
		defaults["queue"] = pick(d, Queues()...)
	}
	return defaults
}

func (d *drawing) retry() object {
	retry := object{"max_attempts": 1 + d.upTo(2), "initial": d.between(10, 200), "max": d.between(200, 500)}
	if d.chance(40) {
		retry["on"] = pick(d, []string{"failed", "lost"}, []string{"crashed", "timed_out"}, []string{"failed", "crashed", "timed_out", "lost"}, []string{"lost"}, []string{})
	}
	if d.chance(40) {
		retry["backoff"] = pick(d, "exponential", "constant")
	}
	if d.chance(30) {
		retry["jitter"] = pick(d, 0, 0.5, 1)
	}
	return retry
}

// runLimits gives a plan a concurrency limit or a rate, sometimes. What a run holds is of other keys than what the runs
// inside of it hold, and what its steps hold, so that nobody waits for each other.
func (d *drawing) runLimits(p object, depth int) {
	if d.chance(10) {
		p["concurrency"] = d.concurrency(fmt.Sprintf("run%d", depth))
	}
	if d.chance(4) {
		p["rate"] = d.rate(fmt.Sprintf("run%d", depth))
	}
}

func (d *drawing) concurrency(name string) object {
	limit, strategy := 1+d.upTo(3), pick(d, "queue", "queue", "queue", "queue", "cancel_oldest", "cancel_newest")
	c := object{"limit": limit, "strategy": strategy}
	if name == "run0" {
		limit += 2
		c["limit"] = limit
	}
	if strategy == "queue" && d.chance(50) {
		delete(c, "strategy")
	}
	c["key"] = fmt.Sprintf("limit/%d/%s/%s", limit, strategy, name)
	if d.chance(30) {
		c["key"] = fmt.Sprintf("limit/%d/%s/%s/${{ input.text }}", limit, strategy, name)
	}
	return c
}

func (d *drawing) rate(name string) object {
	limit, per := pick(d, 5, 20), pick(d, 200, 1000)
	return object{"key": fmt.Sprintf("rate/%d/%d/%s", limit, per, name), "limit": limit, "per": fmt.Sprintf("%dms", per)}
}
