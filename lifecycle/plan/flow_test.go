package plan_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

func TestParseTakesTheFlows(t *testing.T) {
	t.Parallel()
	p := mustParse(t, `
name: p
start_at: 2026-07-01T10:00:00.1234567+02:00
timeout: 2h
on_failure: pause
max_parallel: 3
concurrency: {key: "tenant/${{ input.tenant }}", limit: 2, strategy: cancel_oldest}
rate: {key: api, limit: 10, per: 1m}
output: {count: "${{ steps.each.output[0] }}", run: "${{ run.id }}", plain: [1, null]}
defaults: {timeout: 5m}
steps:
- {key: list, kind: noop}
- key: each
  kind: noop
  needs: [list]
  for_each: ${{ needs.list.output.items }}
  max_parallel: 4
  with: {output: "${{ item.a[0] }} ${{ index }}"}
  concurrency: {key: "a:b/c", limit: 100000}
  rate: {key: "${{ run.name }}", limit: 1000000, per: 365d}
  retry: {max_attempts: 2}
`)
	at := time.Date(2026, 7, 1, 8, 0, 0, 123456000, time.UTC)
	require.Equal(t, &at, p.StartAt)
	require.Zero(t, p.Delay)
	require.Equal(t, 2*time.Hour, p.Timeout)
	require.Equal(t, "pause", p.OnFailure)
	require.Equal(t, 3, p.MaxParallel)
	require.Equal(t, &plan.Concurrency{Key: "tenant/${{ input.tenant }}", Limit: 2, Strategy: "cancel_oldest"}, p.Concurrency)
	require.Equal(t, &plan.Rate{Key: "api", Limit: 10, Per: time.Minute}, p.Rate)
	require.JSONEq(t, `{"count": "${{ steps.each.output[0] }}", "run": "${{ run.id }}", "plain": [1, null]}`, string(p.Output))
	require.Nil(t, p.Steps[0].Concurrency)
	require.Nil(t, p.Steps[0].Rate)
	require.Empty(t, p.Steps[0].Expects())
	each := p.Steps[1]
	require.Equal(t, "${{ needs.list.output.items }}", each.ForEach)
	require.Equal(t, "children", each.Expects())
	require.Equal(t, 4, each.MaxParallel)
	require.Equal(t, &plan.Concurrency{Key: "a:b/c", Limit: 100_000, Strategy: "queue"}, each.Concurrency)
	require.Equal(t, &plan.Rate{Key: "${{ run.name }}", Limit: 1_000_000, Per: plan.MaxDuration}, each.Rate)
	require.Equal(t, 5*time.Minute, each.Timeout)

	p = mustParse(t, inPlan("delay: 90s\non_failure: cancel\noutput: null"))
	require.Equal(t, 90*time.Second, p.Delay)
	require.Nil(t, p.StartAt)
	require.Nil(t, p.Output, "null is no output")
	require.Equal(t, "cancel", p.OnFailure)
}

func TestFaultsOfFlows(t *testing.T) {
	t.Parallel()
	const limits = "concurrency: {key: k, limit: 1}"
	for src, want := range map[string]string{
		inPlan("start_at: tomorrow"):                                           "start_at wrong_type",
		inPlan("start_at: 2026-07-01"):                                         "start_at wrong_type",
		inPlan("start_at: 2026-07-01 08:00:00Z"):                               "start_at wrong_type",
		inPlan("start_at: 2026-07-01T08:00:00"):                                "start_at wrong_type", // in which zone?
		inPlan("start_at: 2026-13-01T08:00:00Z"):                               "start_at wrong_type",
		inPlan("start_at: 5"):                                                  "start_at wrong_type",
		inPlan("delay: 5"):                                                     "delay wrong_type",
		inPlan("delay: 0s"):                                                    "delay out_of_range",
		inPlan("start_at: 2026-07-01T08:00:00Z\ndelay: 5s"):                    "delay out_of_range",
		inPlan("timeout: never"):                                               "timeout wrong_type",
		inPlan("timeout: 366d"):                                                "timeout out_of_range",
		inPlan("on_failure: puase"):                                            "on_failure out_of_range",
		inPlan("max_parallel: 0"):                                              "max_parallel out_of_range",
		inPlan("max_parallel: 10001"):                                          "max_parallel out_of_range",
		inPlan("max_parallel: all"):                                            "max_parallel wrong_type",
		inPlan("concurrency: 3"):                                               "concurrency wrong_type",
		inPlan("concurrency: {limit: 1}"):                                      "concurrency.key wrong_type",
		inPlan("concurrency: {key: k}"):                                        "concurrency.limit wrong_type",
		inPlan("concurrency: {key: k, limit: 0}"):                              "concurrency.limit out_of_range",
		inPlan("concurrency: {key: k, limit: 100001}"):                         "concurrency.limit out_of_range",
		inPlan("concurrency: {key: k, limit: 1, strategy: cancel}"):            "concurrency.strategy out_of_range",
		inPlan("concurrency: {key: k, limit: 1, per: 1s}"):                     "concurrency.per unknown_field",
		inPlan("concurrency: {key: 5, limit: 1}"):                              "concurrency.key wrong_type",
		inPlan("concurrency: {key: 'a b', limit: 1}"):                          "concurrency.key out_of_range",
		inPlan("concurrency: {key: '~a', limit: 1}"):                           "concurrency.key out_of_range",
		inPlan("concurrency: {key: 'a$${{', limit: 1}"):                        "concurrency.key out_of_range",
		inPlan("concurrency: {key: '', limit: 1}"):                             "concurrency.key out_of_range",
		inPlan("concurrency: {key: '${{ input.a', limit: 1}"):                  "concurrency.key bad_expression",
		inPlan("concurrency: {key: '${{ needs.a.output }}', limit: 1}"):        "concurrency.key bad_expression",
		inPlan("concurrency: {key: '${{ step.key }}', limit: 1}"):              "concurrency.key bad_expression",
		inPlan("concurrency: {key: '${{ secrets.A }}', limit: 1}"):             "concurrency.key not_supported_yet",
		inPlan("concurrency: {key: '${{ run.state }}', limit: 1}"):             "concurrency.key bad_expression",
		inPlan("rate: {key: k, limit: 1}"):                                     "rate.per wrong_type",
		inPlan("rate: {limit: 1, per: 1s}"):                                    "rate.key wrong_type",
		inPlan("rate: {key: k, per: 1s}"):                                      "rate.limit wrong_type",
		inPlan("rate: {key: k, limit: 1000001, per: 1s}"):                      "rate.limit out_of_range",
		inPlan("rate: {key: k, limit: 1, per: 1}"):                             "rate.per wrong_type",
		inPlan("rate: {key: k, limit: 1, per: 1s, strategy: queue}"):           "rate.strategy unknown_field",
		inPlan("output: '${{ steps.b.output }}'"):                              "output bad_expression",
		inPlan("output: {a: ['${{ needs.a.output }}']}"):                       "output.a[0] bad_expression",
		inPlan("output: '${{ steps.a }}'"):                                     "output bad_expression",
		inPlan("output: '${{ steps.a.state.x }}'"):                             "output bad_expression",
		inPlan("output: '${{ attempt }}'"):                                     "output bad_expression",
		inPlan("output: '${{ item }}'"):                                        "output bad_expression",
		inPlan("output: '" + strings.Repeat("x", 256<<10) + "'"):               "output out_of_range",
		inStep("for_each: [1, 2]"):                                             "steps[0].for_each wrong_type",
		inStep("for_each: 5"):                                                  "steps[0].for_each wrong_type",
		inStep("for_each: input.a"):                                            "steps[0].for_each bad_expression",
		inStep("for_each: ''"):                                                 "steps[0].for_each bad_expression",
		inStep("for_each: 'x${{ input.a }}'"):                                  "steps[0].for_each bad_expression",
		inStep("for_each: '${{ input.a }}${{ input.b }}'"):                     "steps[0].for_each bad_expression",
		inStep("for_each: '${{ input.a'"):                                      "steps[0].for_each bad_expression",
		inStep("for_each: '${{ needs.b.output }}'"):                            "steps[0].for_each bad_expression",
		inStep("for_each: '${{ item }}'"):                                      "steps[0].for_each bad_expression",
		inStep("for_each: '${{ run.id }}'"):                                    "steps[0].for_each bad_expression",
		inStep("for_each: '${{ attempt }}'"):                                   "steps[0].for_each bad_expression",
		inStep("max_parallel: 2"):                                              "steps[0].max_parallel unknown_field",
		inStep("for_each: '${{ input.a }}', max_parallel: 0"):                  "steps[0].max_parallel out_of_range",
		inStep("with: {output: '${{ item }}'}"):                                "steps[0].with.output bad_expression",
		inStep("with: {output: '${{ index }}'}"):                               "steps[0].with.output bad_expression",
		inStep("for_each: '${{ input.a }}', with: {output: '${{ index.x }}'}"): "steps[0].with.output bad_expression",
		inStep("with: {output: '${{ steps.a.output }}'}"):                      "steps[0].with.output bad_expression",
		inStep("concurrency: {key: '${{ item }}', limit: 1}"):                  "steps[0].concurrency.key bad_expression",
		inStep("rate: {key: k, limit: 1, per: 1h1h}"):                          "steps[0].rate.per wrong_type",
		// A run that holds the slot for which its own step waits would wait for ever.
		"name: p\n" + limits + "\nsteps: [{key: a, kind: noop, " + limits + "}]":                                                               "steps[0].concurrency.key out_of_range",
		"name: p\nconcurrency: {key: '${{ run.id }}', limit: 1}\nsteps: [{key: a, kind: noop, concurrency: {key: '${{ run.id }}', limit: 2}}]": "steps[0].concurrency.key out_of_range",
		// Two steps may need each other with a for_each as without.
		"name: p\nsteps: [{key: a, kind: noop, needs: [b], for_each: '${{ needs.b.output }}'}, {key: b, kind: noop, needs: [a]}]": "steps[0].needs[0] cycle",
		"name: p\nsteps: [{key: 'a[0]', kind: noop}]": "steps[0].key out_of_range", // that is how children are named
	} {
		require.Equal(t, []string{want}, faultsOf(t, src), "of %s", src)
	}
}

func TestFaultsOfFlowsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		inStep("max_parallel: 2"):                                 "for_each",
		inStep("for_each: [1, 2]"):                                "${{ input.NAME }}",
		inStep("for_each: '${{ run.id }}'"):                       "it must start with input or needs",
		inStep("with: {output: '${{ item }}'}"):                   "item only in the with of a step that has for_each",
		inPlan("output: '${{ needs.a.output }}'"):                 "it must start with input, steps or run",
		inPlan("concurrency: {key: '${{ step.key }}', limit: 1}"): "it must start with input or run",
		inPlan("start_at: soon"):                                  "2026-07-01T08:00:00Z",
	} {
		_, err := plan.Parse([]byte(src))
		require.ErrorContains(t, err, want, "of %s", src)
	}
}

func TestResolved(t *testing.T) {
	t.Parallel()
	p := mustParse(t, inPlan("concurrency: {key: k, limit: 1}"))
	same, faults := p.Resolved("id")
	require.Empty(t, faults)
	require.Same(t, p, same, "without expressions nothing is copied")

	p = mustParse(t, `
name: load
input: {tenant: acme, n: 5, odd: "a b", list: [1], same: acme}
concurrency: {key: "t/${{ input.tenant }}", limit: 2, strategy: cancel_newest}
rate: {key: k, limit: 1, per: 1s}
steps:
- {key: a, kind: noop}
- {key: b, kind: noop, rate: {key: "${{ input.n }}", limit: 3, per: 1m}, concurrency: {key: "${{ run.name }}:${{ run.id }}", limit: 4}}
`)
	before, err := json.Marshal(p)
	require.NoError(t, err)
	got, faults := p.Resolved("0190")
	require.Empty(t, faults)
	require.Equal(t, &plan.Concurrency{Key: "t/acme", Limit: 2, Strategy: "cancel_newest"}, got.Concurrency)
	require.Equal(t, p.Rate, got.Rate)
	require.Equal(t, p.Steps[0], got.Steps[0])
	require.Equal(t, &plan.Rate{Key: "5", Limit: 3, Per: time.Minute}, got.Steps[1].Rate)
	require.Equal(t, &plan.Concurrency{Key: "load:0190", Limit: 4, Strategy: "queue"}, got.Steps[1].Concurrency)
	require.Equal(t, p.Input, got.Input)
	after, err := json.Marshal(p)
	require.NoError(t, err)
	require.JSONEq(t, string(before), string(after), "the plan itself is not changed")
	again, faults := got.Resolved("other")
	require.Empty(t, faults)
	require.Same(t, got, again)

	for key, want := range map[string]string{
		"${{ input.none }}":                         "bad_expression",
		"x${{ input.tenant.more }}":                 "bad_expression",
		"${{ input.odd }}":                          "out_of_range",
		"${{ input.list }}":                         "out_of_range",
		"~${{ input.tenant }}":                      "out_of_range",
		"t/${{ input.same }}":                       "out_of_range", // held by the run itself
		strings.Repeat("x", 129) + "${{ input.n }}": "out_of_range",
	} {
		p.Steps[1].Concurrency = &plan.Concurrency{Key: key, Limit: 1}
		got, faults := p.Resolved("0190")
		require.Nil(t, got, key)
		require.Equal(t, []string{"steps[1].concurrency.key " + want}, brief(faults), key)
		require.NotContains(t, faults.Error(), "a b")
	}
	p.Rate = &plan.Rate{Key: "${{ input.none }}"}
	_, faults = p.Resolved("0190")
	require.Equal(t, "rate.key bad_expression", brief(faults)[0])
}
