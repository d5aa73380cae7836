package plan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/weirqueue/weir/lifecycle/plan"
)

func BenchmarkParseJSONOneStep(b *testing.B) {
	src := []byte(`{"name":"one","steps":[{"key":"a","kind":"fetch","with":{"url":"http://example.org/${{ input.x }}","method":"GET"}}]}`)
	k, err := plan.NewKind(json.RawMessage(fetchSchema))
	if err != nil {
		b.Fatal(err)
	}
	kinds := map[string]plan.Kind{"fetch": k}
	b.ReportAllocs()
	for b.Loop() {
		p, err := plan.ParseJSON(src)
		if err != nil || len(p.CheckKinds(kinds)) > 0 {
			b.Fatal(err)
		}
	}
}

// tenThousand is a plan in YAML whose steps each need up to three others.
func tenThousand() []byte {
	var b strings.Builder
	b.WriteString("name: wide\nsteps:\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "- key: step-%d\n  kind: noop\n  with: {output: {n: %d, text: \"${{ input.x }}\"}}\n  timeout: 5m\n", i, i)
		if i >= 5 {
			fmt.Fprintf(&b, "  needs: [step-%d, step-%d, step-%d]\n", i-1, i-2, i/2)
		}
	}
	return []byte(b.String())
}

func BenchmarkParseYAMLTenThousandSteps(b *testing.B) {
	src := tenThousand()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := plan.Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseJSONTenThousandSteps(b *testing.B) {
	src, err := plan.JSON(tenThousand())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := plan.ParseJSON(src); err != nil {
			b.Fatal(err)
		}
	}
}
