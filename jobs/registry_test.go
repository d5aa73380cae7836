package jobs

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

type inner struct {
	Count int `json:"count"`
}

type given struct {
	Name  string            `json:"name"`
	Inner inner             `json:"inner"`
	List  []inner           `json:"list,omitempty"`
	ID    uuid.UUID         `json:"id,omitzero"`
	At    time.Time         `json:"at,omitzero"`
	Any   json.RawMessage   `json:"any,omitempty"`
	Map   map[string]string `json:"map,omitempty"`
	Small uint8             `json:"small,omitempty"`
}

func TestStrictDecoding(t *testing.T) {
	t.Parallel()
	c, err := newCodec[given]()
	require.NoError(t, err)
	in, err := c.decode([]byte(`{"name":"n","inner":{"count":2},"list":[{"count":3}],"id":"0190c9f0-0000-7000-8000-000000000000",
		"at":"2026-01-02T03:04:05Z","any":{"x":[1]},"map":{"k":"v"},"small":255}`))
	require.NoError(t, err)
	require.Equal(t, 3, in.List[0].Count)
	require.JSONEq(t, `{"x":[1]}`, string(in.Any))
	require.Equal(t, 2026, in.At.Year())

	for with, want := range map[string]string{
		`{"name":"n"}`:                                        `with.inner: is missing`,
		`{"inner":{"count":1},"nam":"n"}`:                     `with.nam: is not known, did you mean "name"?`,
		`{"name":1,"inner":{"count":1}}`:                      `with.name: is number, must be string`,
		`{"Name":"n","name":"n","inner":{"count":1}}`:         `with.Name: is not known`,
		`{"name":"n","inner":{"count":1.5}}`:                  `with.inner.count: is number, must be integer`,
		`{"name":"n","inner":{"count":1,"x y":2}}`:            `with.inner["x y"]: is not known`,
		`{"name":"n","inner":{"count":1},"list":[{}]}`:        `with.list[0].count: is missing`,
		`{"name":"n","inner":{"count":1},"map":{"k":null}}`:   `with.map.k: is null, must be string`,
		`{"name":"n","inner":{"count":1},"small":256}`:        `with.small: must be at most 255`,
		`{"name":"n","inner":{"count":1},"id":"not a uuid"}`:  `invalid UUID`,
		`{"name":"n","inner":{"count":99999999999999999999}}`: `with.inner.count`,
		`[]`:   `with: is array, must be object`,
		`nope`: `is not JSON`,
	} {
		_, err := c.decode([]byte(with))
		require.Error(t, err, with)
		require.Contains(t, err.Error(), want)
		rep, _ := reportError(err)
		require.Equal(t, "invalid_with", rep.Code)
		require.False(t, rep.Retryable)
	}
}

func TestKindsPublishTheirSchemas(t *testing.T) {
	t.Parallel()
	reg := NewRegistry()
	require.NoError(t, Handle(reg, "b.kind", func(context.Context, given) (inner, error) { return inner{}, nil }))
	require.NoError(t, Handle(reg, "a-kind", func(context.Context, struct{}) (any, error) { return nil, nil }))
	kinds := reg.Kinds()
	require.Equal(t, "a-kind", kinds[0].Name)
	require.JSONEq(t, `{"type":"object","additionalProperties":false}`, string(kinds[0].Input))
	require.JSONEq(t, `true`, string(kinds[0].Output))
	require.Contains(t, string(kinds[1].Input), `"required":["name","inner"]`)
	require.JSONEq(t, `{"type":"object","properties":{"count":{"type":"integer"}},"required":["count"],"additionalProperties":false}`,
		string(kinds[1].Output))
	require.NoError(t, reg.Err())
}

type node struct {
	Next *node `json:"next,omitempty"`
}

func TestBadRegistrations(t *testing.T) {
	t.Parallel()
	nothing := func(context.Context, struct{}) (any, error) { return nil, nil }
	reg := NewRegistry()
	require.NoError(t, Handle(reg, "taken", nothing))
	require.ErrorContains(t, Handle(reg, "taken", nothing), `"taken"`)
	for _, name := range []string{"", "Upper", "-x", "a b", "wait", "plan", strings.Repeat("x", 64)} {
		require.ErrorContains(t, Handle(reg, name, nothing), `"`+name+`"`)
	}
	require.ErrorContains(t, Handle(reg, "text", func(context.Context, string) (any, error) { return nil, nil }), `"text"`)
	require.ErrorContains(t, Handle(reg, "cycle", func(context.Context, node) (any, error) { return nil, nil }), "JSONSchema()")
	require.ErrorContains(t, Handle[struct{}, any](reg, "nil", nil), `"nil"`)
	require.Len(t, reg.Kinds(), 1)
	require.ErrorContains(t, reg.Err(), `"Upper"`)
	require.ErrorContains(t, reg.Err(), `"cycle"`)
}

func TestHandlerSeesItsAttempt(t *testing.T) {
	t.Parallel()
	f := &fake{claim: aClaim("test", `{"a":1}`)}
	f.claim.Needs = map[string]lifecycle.Need{
		"up":   {State: lifecycle.StepSucceeded, Output: json.RawMessage(`{"count":5}`)},
		"none": {State: lifecycle.StepFailed},
	}
	b := setup(t, f, func(ctx context.Context, in anyInput) (any, error) {
		a := FromContext(ctx)
		require.Equal(t, "a-step", a.Step)
		require.Equal(t, a.Run.String()+"/a-step", a.IdempotencyKey())
		require.JSONEq(t, `1`, string(in["a"]))
		_, err := NeedOutput[inner](ctx, "none")
		require.ErrorContains(t, err, "it has none, it is failed")
		_, err = NeedOutput[inner](ctx, "other")
		require.ErrorContains(t, err, "no such need")
		a.Logger().With("a", 1).WithGroup("g").Warn("careful", "b", "x y", "msg", "m") //nolint:sloglint // an attribute of this name must not get lost
		return NeedOutput[inner](ctx, "up")
	})
	b.work(t)
	require.JSONEq(t, `{"count":5}`, string(b.only(t).Output))
	line := b.logged()[0]
	require.Equal(t, `careful a=1 g.b="x y" g.msg=m`, line.Text)
	require.Equal(t, "warn", line.Level)
	require.Equal(t, "log", line.Stream)
	require.Equal(t, int64(1), line.Seq)
}

func TestFromContextWithoutAttempt(t *testing.T) {
	t.Parallel()
	a := FromContext(t.Context())
	a.Logger().Info("nobody reads this")
	a.Progress(1, "nor this")
	_, err := NeedOutput[int](t.Context(), "x")
	require.Error(t, err)
}
