package api

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocsPage: the page shows every call and every schema of the document, its links lead somewhere on it, and it needs
// nothing from anywhere else.
func TestDocsPage(t *testing.T) {
	t.Parallel()
	handler := New(Config{OperateOnly: true})
	a := ask(t, handler, http.MethodGet, "/docs", "")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", a.Header.Get("Content-Type"))
	require.Regexp(t, `^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$`, a.Header.Get("Content-Security-Policy"))
	require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
	page := string(a.body)
	document := tree(t, OpenAPI())
	for call, operation := range operations(document) {
		require.Contains(t, page, `<section id="`+operation["operationId"].(string)+`">`, call)
	}
	for name := range document["components"].(map[string]any)["schemas"].(map[string]any) {
		require.Contains(t, page, `<section id="schema-`+name+`">`)
	}
	for _, link := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if strings.HasPrefix(link[1], "#") {
			require.Contains(t, page, `id="`+link[1][1:]+`"`, link[1])
			continue
		}
		require.Equal(t, http.StatusOK, ask(t, handler, http.MethodGet, link[1], "").StatusCode, link[1])
	}
	for _, outside := range []string{"<script", "<link", "<img", "src=", "@import", "url(", "https:", `"//`, `href="http`} {
		require.NotContains(t, page, outside)
	}
	require.NotContains(t, page, "ZgotmplZ", "what the template holds for unsafe")
	require.Less(t, len(page), 1<<20)
}
