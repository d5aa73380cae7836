//go:build linux

package workload_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/prove/workload"
	"github.com/weirqueue/weir/lifecycle/plan"
)

func TestPlansAreAccepted(t *testing.T) {
	t.Parallel()
	plans := workload.Plans{Seed: 1, Command: "/bin/command"}
	for name, text := range plans.Named() {
		p, err := plan.ParseJSON(text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, name, p.Name)
	}
	for i := range 2000 {
		text := plans.Plan(i)
		p, err := plan.ParseJSON(text)
		require.NoError(t, err, "%s", text)
		_, faults := p.Resolved("00000000-0000-7000-8000-000000000000")
		require.Empty(t, faults, "%s", text)
		if i < 20 {
			require.Equal(t, string(text), string(plans.Plan(i)), "plan %d is always the same", i)
			require.NotEqual(t, string(text), string(workload.Plans{Seed: 2, Command: "/bin/command"}.Plan(i)))
		}
	}
}

// count adds up what occurs in a plan: members by name, and by name and value where the values are a choice.
func count(counts map[string]int, in string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			at := in + "." + name
			counts[at]++
			if word, ok := member.(string); ok {
				counts[at+"="+word]++
			}
			if name == "plan" {
				if inline, ok := member.(map[string]any); ok {
					counts["inline plan"]++
					count(counts, "plan", inline)
					continue
				}
			}
			count(counts, at, member)
		}
	case []any:
		counts[in+"[]"] += len(v)
		for _, item := range v {
			if word, ok := item.(string); ok {
				counts[in+"[]="+word]++
			}
			count(counts, in, item)
		}
	}
}

func TestEveryFeatureOccurs(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	for i := range 500 {
		var doc map[string]any
		require.NoError(t, json.Unmarshal(workload.Plans{Seed: 7, Command: "command"}.Plan(i), &doc))
		count(counts, "plan", doc)
	}
	var texts strings.Builder
	for text := range counts {
		texts.WriteString(text + "\n")
	}
	for _, member := range []string{
		"plan.version", "plan.description", "plan.labels", "plan.input", "plan.start_at", "plan.delay", "plan.timeout", "plan.max_parallel",
		"plan.on_failure=continue", "plan.on_failure=cancel", "plan.on_failure=pause", "plan.output", "plan.concurrency", "plan.rate",
		"plan.defaults.retry", "plan.defaults.priority", "plan.defaults.queue", "plan.defaults.stall_after",
		"plan.steps.needs[]", "plan.steps.run_if=all_succeeded", "plan.steps.run_if=all_finished", "plan.steps.run_if=any_failed", "plan.steps.allow_failure",
		"plan.steps.timeout", "plan.steps.grace", "plan.steps.stall_after", "plan.steps.queue=fast", "plan.steps.priority", "plan.steps.runs_on=replica",
		"plan.steps.concurrency", "plan.steps.rate", "plan.steps.for_each=${{ input.list }}", "plan.steps.max_parallel",
		"plan.steps.retry.on[]=failed", "plan.steps.retry.on[]=crashed", "plan.steps.retry.on[]=timed_out", "plan.steps.retry.on[]=lost",
		"plan.steps.retry.backoff=constant", "plan.steps.retry.backoff=exponential", "plan.steps.retry.jitter", "plan.steps.retry.initial", "plan.steps.retry.max",
		"plan.steps.kind=work", "plan.steps.kind=exec", "plan.steps.kind=http", "plan.steps.kind=sleep", "plan.steps.kind=noop", "plan.steps.kind=wait", "plan.steps.kind=plan",
		"plan.steps.with.for=signal", "plan.steps.with.for=approval", "plan.steps.with.for=time", "plan.steps.with.until",
		"inline plan", "plan.steps.with.plan=prove/leaf", "plan.steps.with.plan=prove/leaf@1", "plan.steps.with.plan=prove/pair", "plan.steps.with.input",
		"plan.steps.with.attempts.do=ok", "plan.steps.with.attempts.do=fail", "plan.steps.with.attempts.do=permanent", "plan.steps.with.attempts.do=later",
		"plan.steps.with.attempts.do=panic", "plan.steps.with.attempts.do=exit", "plan.steps.with.attempts.do=hang", "plan.steps.with.attempts.do=ignore",
		"plan.steps.with.attempts.output=big", "plan.steps.with.attempts.output=nul", "plan.steps.with.attempts.output=bytes",
		"plan.steps.with.attempts.output=deep", "plan.steps.with.attempts.output=null", "plan.steps.with.attempts.output=bad",
		"plan.steps.with.attempts.lines", "plan.steps.with.attempts.tell", "plan.steps.with.over.missing", "plan.steps.with.over.item", "plan.steps.with.over.state",
		"plan.steps.with.output=file", "plan.steps.with.output=stdout", "plan.steps.with.output=none", "plan.steps.with.env", "plan.steps.with.stdin",
		"plan.steps.with.workspace=run", "plan.steps.with.workspace=step", "plan.steps.with.cleanup=always", "plan.steps.with.success_codes",
	} {
		require.Positive(t, counts[member], "%s does not occur", member)
	}
	for _, part := range []string{
		".output.list }}", "key=never-k", "key=early-k", "command[]=fail:", "command[]=signal:", "command[]=ignore:", "command[]=fork:",
		"plan.concurrency.key=limit/3/queue/run0", "/queue/step", "/cancel_oldest/step", "/cancel_newest/step", "/cancel_oldest/run", "/cancel_newest/run", "/below0",
	} {
		require.Contains(t, texts.String(), part)
	}
	steps := counts["plan.steps[]"] + 2*counts["plan.steps.for_each"] // three items each
	require.InDelta(t, 8, float64(steps)/500, 2, "steps of a plan")
	require.InDelta(t, 1.0/8, float64(counts["plan.steps.kind=exec"])/float64(counts["plan.steps[]"]), 0.04, "steps that run a command")
}
