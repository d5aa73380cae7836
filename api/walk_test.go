package api

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The least that the walk asks.
const (
	walkEach = 50
	walkAll  = 5000
)

// unseen are the statuses that no request of the walk can bring about, and where they are seen instead.
func unseen() map[string]string {
	return map[string]string{
		"401": "the walk goes through an open door: TestEveryCallNeedsItsToken",
		"403": "of scopes, as 401; cross_origin is seen where something is changed",
		"429": "the walk is as quick as it can be: the tests of the rate limit",
		"500": "is a defect wherever it is seen",
		"503": "the database is there: TestOutage",
		"504": "nothing takes long: TestProblems",
	}
}

// unseenOf are the statuses of single operations that the walk does not see, and why.
func unseenOf() map[string]string {
	return map[string]string{
		"session-create 200": "the walk has no token: TestSessions",
	}
}

// hangsUp goes away as soon as an answer has begun that need not end. What such answers say has tests of its own.
type hangsUp struct {
	*httptest.ResponseRecorder

	leave context.CancelFunc
}

// Write implements http.ResponseWriter.
func (h hangsUp) Write(text []byte) (int, error) {
	defer h.leave()
	return h.ResponseRecorder.Write(text)
}

// walker asks everything that the document describes.
type walker struct {
	*bundle

	asked int
	seen  map[string]map[string]bool // status by operation
	pools map[string][]string        // values that exist, by the name of the parameter
}

// walked is one operation of the document.
type walked struct {
	id, method, path string
	parameters       []walkedParameter
	body             any // an example; nil: it takes none
	needsBody        bool
	answers          map[string]map[string]string // schema by media type by status
}

type walkedParameter struct {
	name, in string
	required bool
	schema   map[string]any
	example  any
}

// TestDocumentHolds walks the document: each operation is asked with valid, missing, wrong-typed, over-long and hostile
// input, and every answer is one that is documented, has the documented schema, and is no 5xx. Which requests are made
// follows from rapid's seed, which a failure prints.
func TestDocumentHolds(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.Limits.Body = 64 << 10 })
	b.engine()
	w := &walker{bundle: b, seen: map[string]map[string]bool{}}
	operations := walkedOperations(t)
	for _, o := range operations {
		w.seen[o.id] = map[string]bool{}
		w.fill()
		before := w.asked
		w.must(t, o)
		rapid.Check(t, func(rt *rapid.T) { w.one(rt, o) })
		require.GreaterOrEqual(t, w.asked-before, walkEach, o.id)
	}
	require.GreaterOrEqual(t, w.asked, walkAll)
	reasons, ofOne := unseen(), unseenOf()
	var wrong []string
	for _, o := range operations {
		for status := range o.answers {
			_, excused := ofOne[o.id+" "+status]
			_, always := reasons[status]
			switch seen := w.seen[o.id][status]; {
			case !seen && !excused && !always:
				wrong = append(wrong, o.id+" is documented to answer "+status+", and never did")
			case seen && excused:
				wrong = append(wrong, o.id+" answers "+status+" and needs no excuse")
			}
		}
	}
	require.Empty(t, wrong)
	t.Logf("%d requests to %d operations", w.asked, len(operations))
}

// fill makes things in every state, for the parameters of the next operation.
func (w *walker) fill() {
	w.t.Helper()
	w.bulksEnd() // what the last operation has set going would take hold of these
	w.exec(`update weir.river_queue set paused_at = null`)
	fresh := w.submit(onePlan)
	done := w.submit(onePlan)
	require.Eventually(w.t, func() bool {
		return scan[*int64](w.bundle, `select river_job_id from weir.steps where run_id = $1 and step = 1`, done) != nil
	}, eventually, often)
	w.finish(w.start(done), "succeeded")
	waiting := w.submit(`{"name": "signal", "steps": [{"key": "a", "kind": "wait"}, {"key": "b", "kind": "noop", "needs": ["a"]}]}`)
	approval := w.submit(`{"name": "approval", "steps": [{"key": "a", "kind": "wait", "with": {"for": "approval"}}]}`)
	paused := w.submit(onePlan)
	require.Equal(w.t, http.StatusOK, w.ask(http.MethodPost, "/v1/runs/"+paused.String()+"/pause", "").StatusCode)
	require.Less(w.t, w.ask(http.MethodPut, "/v1/plans/nightly", strings.Replace(onePlan, "one", "nightly", 1)).StatusCode, 300)
	require.Less(w.t, w.ask(http.MethodPut, "/v1/plans/other", `{"name": "other", "steps": [{"key": "`+uuid.NewString()+`", "kind": "noop"}]}`).StatusCode, 300)
	require.Less(w.t, w.ask(http.MethodPut, "/v1/schedules/nightly", `{"plan": "nightly", "cron": "0 3 * * *"}`).StatusCode, 300)
	require.Less(w.t, w.ask(http.MethodPut, "/v1/limits/gpu", `{"limit": 3}`).StatusCode, 300)
	bulk := w.ask(http.MethodPost, "/v1/runs:pause", `{"filter": {"name": "nobody"}}`).json(w.t)["id"].(string)
	w.bulksEnd()
	require.Eventually(w.t, func() bool {
		return scan[int](w.bundle, `select count(*) from weir.steps where state = 'waiting' and run_id = any ($1)`, []uuid.UUID{waiting, approval}) == 2
	}, eventually, often)
	w.exec(`insert into weir.river_queue (name, created_at, updated_at) values ('default', now(), now()) on conflict do nothing`)
	w.pools = map[string][]string{
		"run":  {fresh.String(), done.String(), waiting.String(), approval.String(), paused.String()},
		"step": {"a", "b"}, "plan": {"nightly", "other"}, "schedule": {"nightly"}, "key": {"gpu"}, "queue": {"default"}, "bulk": {bulk},
		"version": {"1", "2"}, "from": {"1"}, "to": {"1", "2"}, "label": {"team:data"}, "cursor": {""},
	}
}

func (w *walker) bulksEnd() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		return !scan[bool](w.bundle, `select exists (select from weir.bulks where state = 'running')`)
	}, eventually, often)
}

// must asks what rapid might never ask: each operation once as it is meant, of each thing that there is, and once in
// every way that has a status of its own.
func (w *walker) must(t *testing.T, o *walked) {
	t.Helper()
	length := 1
	for _, p := range o.parameters {
		if p.in == "path" {
			length = max(length, len(w.pools[p.name]))
		}
	}
	first := map[string]string{}
	for range 2 { // what is repeated is often answered otherwise
		for i := range length {
			values := map[string]string{}
			for _, p := range o.parameters {
				if pool := w.pools[p.name]; p.in == "path" && len(pool) > 0 {
					values[p.name] = pool[i%len(pool)]
				}
				if p.name == idempotencyKeyHeader {
					values[p.name] = o.id
				}
			}
			if i == 0 {
				first = values
			}
			w.send(t, o, values, o.text(), nil)
		}
	}
	for _, also := range w.also(o) {
		values := maps.Clone(first)
		maps.Copy(values, also.values)
		w.send(t, o, values, also.body, nil)
		w.send(t, o, values, also.body, nil)
	}
	missing := maps.Clone(first)
	for _, p := range o.parameters {
		if p.in == "path" {
			missing[p.name] = "no-such-thing"
			if p.schema["format"] == "uuid" {
				missing[p.name] = uuid.NewString()
			}
		}
	}
	w.send(t, o, missing, o.text(), nil)
	w.send(t, o, first, o.text(), map[string]string{"Host": "weir.example"})
	w.send(t, o, first, o.text(), map[string]string{"Sec-Fetch-Site": "cross-site"})
	w.send(t, o, first, "text", map[string]string{"Content-Type": "text/plain"})
	w.send(t, o, first, `"`+strings.Repeat("x", 65<<10)+`"`, nil)
	if o.method != http.MethodGet {
		w.send(t, o, first, `{`, nil)
		w.send(t, o, first, `{"nonsense": true}`, nil)
	}
	o.parameters = append(o.parameters, walkedParameter{name: "nonsense", in: "query"})
	w.send(t, o, map[string]string{"nonsense": "1"}, o.text(), nil)
}

// also are requests that the document alone does not lead to.
func (w *walker) also(o *walked) []struct {
	values map[string]string
	body   string
} {
	type request = struct {
		values map[string]string
		body   string
	}
	run := func(i int) map[string]string { return map[string]string{"run": w.pools["run"][i]} }
	switch o.id {
	case "bulk-cancel":
		id := uuid.NewString()
		w.exec(`insert into weir.bulks (id, action, total, created_by, filter) select $1, 'pause', 1000000, 'local', '{"name": "nobody"}'`, id)
		return []request{{map[string]string{"bulk": id}, ""}}
	case "plan-put":
		return []request{{map[string]string{"plan": "walked"}, `{"name": "walked", "steps": [{"key": "` + uuid.NewString() + `", "kind": "noop"}]}`}}
	case "runs-batch":
		return []request{
			{map[string]string{idempotencyKeyHeader: "named"}, `{"runs": [{"plan": "nobody"}]}`},
			{map[string]string{idempotencyKeyHeader: o.id}, `{"runs": [` + onePlan + `]}`},
		}
	case "run-submit", "run-bykey":
		return []request{{map[string]string{idempotencyKeyHeader: "named"}, `{"plan": "nobody"}`}, {map[string]string{idempotencyKeyHeader: o.id}, onePlan}}
	case "run-rerun":
		return []request{{run(1), "{}"}}
	case "step-decision":
		return []request{{run(3), `{"decision": "accept"}`}}
	case "runs-cancel", "runs-pause", "runs-resume", "runs-rerun":
		return []request{
			{map[string]string{idempotencyKeyHeader: "twice-" + o.id}, `{"filter": {"name": "nobody"}}`},
			{map[string]string{idempotencyKeyHeader: "twice-" + o.id}, `{"filter": {"name": "somebody"}}`},
		}
	case "schedule-put":
		return []request{{map[string]string{"schedule": "s" + uuid.NewString()}, `{"plan": "nightly", "cron": "0 3 * * *"}`}, {nil, `{"plan": "nobody", "cron": "0 3 * * *"}`}}
	case "schedule-trigger":
		return []request{{map[string]string{idempotencyKeyHeader: "t"}, ""}, {map[string]string{idempotencyKeyHeader: o.id, "schedule": "elsewhere"}, ""}}
	}
	return nil
}

// one asks one request of an operation.
func (w *walker) one(t *rapid.T, o *walked) {
	values := map[string]string{}
	for _, p := range o.parameters {
		value, given := w.value(t, p)
		if given {
			values[p.name] = value
		}
	}
	headers := map[string]string{}
	if rapid.IntRange(0, 9).Draw(t, "odd header") == 0 {
		name := rapid.SampledFrom([]string{"Content-Type", "Sec-Fetch-Site", "Origin", "X-Request-Id", "Accept", "Content-Encoding"}).Draw(t, "header")
		headers[name] = rapid.SampledFrom([]string{"text/plain", "cross-site", "http://elsewhere.example", "gzip", "*/*", strings.Repeat("x", 300), "application/json; charset=latin1"}).Draw(t, "its value")
	}
	w.send(t, o, values, w.bodyOf(t, o), headers)
}

// value is one for a parameter: mostly a good one.
func (w *walker) value(t *rapid.T, p walkedParameter) (value string, given bool) {
	switch way := rapid.IntRange(0, 9).Draw(t, p.name); {
	case way < 5 || way == 5 && p.in == "path":
		if pool := w.pools[p.name]; len(pool) > 0 {
			return rapid.SampledFrom(pool).Draw(t, "existing"), true
		}
		if values, _ := p.schema["enum"].([]any); len(values) > 0 {
			value, _ = rapid.SampledFrom(values).Draw(t, "choice").(string)
			return value, true
		}
		if p.schema["type"] == "integer" {
			return strconv.Itoa(rapid.IntRange(1, 500).Draw(t, "number")), true
		}
		value, _ = p.example.(string)
		return value, value != ""
	case way == 5:
		return "", false
	case way == 6:
		return uuid.NewString(), true
	case way == 7:
		return strings.Repeat("a", rapid.SampledFrom([]int{129, 513, 5000}).Draw(t, "length")), true
	default:
		return rapid.SampledFrom(hostile()).Draw(t, "hostile"), true
	}
}

// hostile are values that have broken other programs.
func hostile() []string {
	return []string{
		"", "0", "-1", "2147483648", "9223372036854775808", "1e9", "NaN", "true", "null", "[]", "{}", "' or 1=1 --", "\x00", "a\x00b", "\xff\xfe",
		"../../etc/passwd", "%2e%2e%2f", "..", ".", "/", "a/b", "a b", "a\r\nX-Evil: 1", "ＡＢＣ", "🧨", "\u202e", "${jndi:ldap://x}", "${{ secrets.A }}", "<script>",
		"2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "-infinity", "99999-01-01T00:00:00Z",
		"r", "cgAAAAAAAAAA", "dAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "bA", "a[99999]", "a[0]", "a[", "weir:x", ":", "k:", "~run/1",
	}
}

// bodyOf is a body: the example, or one that is broken in some way.
func (w *walker) bodyOf(t *rapid.T, o *walked) string {
	if o.method == http.MethodGet {
		return ""
	}
	switch rapid.IntRange(0, 9).Draw(t, "body") {
	case 0:
		return ""
	case 1:
		return rapid.SampledFrom([]string{
			"{", "nul", "[]", "[{}]", "0", `"text"`, "null", "\xff", `{"a": "\u0000"}`, `{"a": 1, "a": 2}`, strings.Repeat("[", 10_000), strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200),
			`{"a": 1e400}`, `{"__proto__": {}}`, "\ufeff{}", "{} {}", `{"filter": {}, "dry_run": true}`, `{"all": true, "filter": {}, "dry_run": true}`,
		}).Draw(t, "broken")
	case 2, 3, 4, 5:
		return o.text()
	default:
		var tree any
		if o.body == nil || json.Unmarshal([]byte(o.text()), &tree) != nil {
			return "{}"
		}
		text, err := json.Marshal(mutate(t, tree, 0))
		must(err)
		return string(text)
	}
}

// text is the example of the body.
func (o *walked) text() string {
	if o.body == nil {
		return ""
	}
	text, err := json.Marshal(o.body)
	must(err)
	return string(text)
}

// mutate changes a JSON value in some place.
func mutate(t *rapid.T, value any, depth int) any {
	if depth > 0 && rapid.IntRange(0, 2).Draw(t, "here") == 0 {
		return rapid.SampledFrom([]any{
			nil, true, 0, -1, 1.5, 1e18, "", "x", strings.Repeat("y", 5000), []any{}, map[string]any{}, []any{nil}, map[string]any{"x": 1}, "a\x00b", "${{ input.x }}", "🧨",
		}).Draw(t, "instead")
	}
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 || rapid.IntRange(0, 5).Draw(t, "member") == 0 {
			v[rapid.SampledFrom([]string{"x", "", "steps", "name", "\x00", "needs"}).Draw(t, "new member")] = rapid.SampledFrom([]any{1, "x", nil, []any{}}).Draw(t, "its value")
			return v
		}
		key := rapid.SampledFrom(slices.Sorted(maps.Keys(v))).Draw(t, "key")
		if rapid.IntRange(0, 3).Draw(t, "drop") == 0 {
			delete(v, key)
			return v
		}
		v[key] = mutate(t, v[key], depth+1)
		return v
	case []any:
		if len(v) == 0 {
			return []any{"x"}
		}
		i := rapid.IntRange(0, len(v)-1).Draw(t, "item")
		v[i] = mutate(t, v[i], depth+1)
		return v
	}
	return mutate(t, map[string]any{}, depth+1)
}

// send makes one request, and checks the answer against the document.
func (w *walker) send(t require.TestingT, o *walked, values map[string]string, body string, headers map[string]string) {
	path := o.path
	query := url.Values{}
	for _, p := range o.parameters {
		value, given := values[p.name]
		switch {
		case p.in == "path":
			path = strings.ReplaceAll(path, "{"+p.name+"}", url.PathEscape(value))
		case given && p.in == "query":
			query.Add(p.name, value)
		}
	}
	target := url.URL{Scheme: "http", Host: "127.0.0.1:8080", RawQuery: query.Encode()}
	target.Path, _ = url.PathUnescape(path)
	target.RawPath = path
	r := httptest.NewRequestWithContext(w.t.Context(), o.method, "http://127.0.0.1:8080/", strings.NewReader(body))
	r.URL, r.RequestURI, r.Host = &target, target.RequestURI(), target.Host
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, p := range o.parameters {
		if value, given := values[p.name]; given && p.in == "header" {
			r.Header.Set(p.name, value)
		}
	}
	for name, value := range headers {
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	var answer http.ResponseWriter = recorder
	if _, stream := o.answers["200"][streamType]; stream {
		ctx, leave := context.WithCancel(r.Context())
		defer leave()
		r, answer = r.WithContext(ctx), hangsUp{recorder, leave}
	}
	w.handler.ServeHTTP(answer, r)
	status := strconv.Itoa(recorder.Code)
	about := o.id + ": " + o.method + " " + target.RequestURI() + " " + shortened(body) + " → " + status + " " + shortened(recorder.Body.String())
	if target.Path != "" && !w.isOurs(r, o) { // a value that leads to another path, or to none
		require.Less(t, recorder.Code, http.StatusInternalServerError, about)
		return
	}
	require.Less(t, recorder.Code, http.StatusInternalServerError, about)
	w.asked++
	types, documented := o.answers[status]
	require.True(t, documented, "not documented: %s", about)
	schema, known := types[recorder.Header().Get("Content-Type")]
	require.True(t, known, "of an undocumented type: %s", about)
	if recorder.Header().Get("Content-Type") != streamType {
		require.NoError(t, conformity(schema, recorder.Body.Bytes()), about)
	}
	w.seen[o.id][status] = true
}

// isOurs reports whether the request is one to the operation.
func (w *walker) isOurs(r *http.Request, o *walked) bool {
	s, _ := w.handler.(*server)
	_, pattern := s.mux.Handler(r)
	return pattern == o.method+" "+o.path
}

func shortened(text string) string {
	if len(text) > 400 {
		return text[:400] + "…"
	}
	return text
}

// walkedOperations are those of the document.
func walkedOperations(t *testing.T) []*walked {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			ID         string `json:"operationId"`
			Parameters []struct {
				Name     string         `json:"name"`
				In       string         `json:"in"`
				Required bool           `json:"required"`
				Schema   map[string]any `json:"schema"`
				Example  any            `json:"example"`
			} `json:"parameters"`
			RequestBody *struct {
				Required bool                 `json:"required"`
				Content  map[string]mediaType `json:"content"`
			} `json:"requestBody"`
			Responses map[string]struct {
				Content map[string]mediaType `json:"content"`
			} `json:"responses"`
		} `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(OpenAPI(), &document))
	var operations []*walked
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(document.Paths[path])) {
			described := document.Paths[path][method]
			o := &walked{id: described.ID, method: strings.ToUpper(method), path: path, answers: map[string]map[string]string{}}
			for _, p := range described.Parameters {
				o.parameters = append(o.parameters, walkedParameter{p.Name, p.In, p.Required, p.Schema, p.Example})
			}
			if described.RequestBody != nil {
				o.body, o.needsBody = described.RequestBody.Content["application/json"].example(), described.RequestBody.Required
			}
			for status, response := range described.Responses {
				o.answers[status] = map[string]string{}
				for media, content := range response.Content {
					o.answers[status][media] = strings.TrimPrefix(content.Schema.Ref, schemaPrefix)
				}
			}
			operations = append(operations, o)
		}
	}
	return operations
}

type mediaType struct {
	Schema struct {
		Ref string `json:"$ref"`
	} `json:"schema"`
	Example  any `json:"example"`
	Examples map[string]struct {
		Value any `json:"value"`
	} `json:"examples"`
}

// example is what the document shows.
func (m mediaType) example() any {
	if m.Example != nil {
		return m.Example
	}
	for _, name := range slices.Sorted(maps.Keys(m.Examples)) {
		return m.Examples[name].Value
	}
	return nil
}
