package plan_test

import (
	"errors"
	"fmt"

	"github.com/weirqueue/weir/lifecycle/plan"
)

func ExampleParse() {
	p, err := plan.Parse([]byte(`
name: nightly
steps:
  - key: fetch
    kind: http
    with: {url: "https://example.org/data"}
    retry: {max_attempts: 3}
  - key: load
    kind: exec
    needs: [fetch]
    with: {command: [./load], stdin: "${{ needs.fetch.output.body }}"}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range p.Steps {
		fmt.Println(s.Key, s.Needs, plan.FormatDuration(s.Timeout), s.Queue, s.Retry.MaxAttempts)
	}
	// Output:
	// fetch [] 10m default 3
	// load [fetch] 10m exec 1
}

func ExampleFaults() {
	_, err := plan.Parse([]byte(`
name: nightly
steps:
  - {key: a, kind: noop, needs: [b], timout: 5m}
  - {key: b, kind: noop, needs: [a, c]}
`))
	if faults, ok := errors.AsType[plan.Faults](err); ok {
		for _, f := range faults {
			fmt.Printf("line %d, %s: %s (%s)\n", f.Line, f.Path, f.Message, f.Code)
		}
	}
	// Output:
	// line 4, steps[0].needs[0]: these steps need each other in a circle: a needs b needs a (cycle)
	// line 4, steps[0].timout: is not known, did you mean timeout? (unknown_field)
	// line 5, steps[1].needs[1]: is the key of no step (unknown_need)
}
