package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

// rawBody is the body as it was sent. Huma itself would parse it, and repeat it in its errors. What is wrong with it is
// kept for the handler.
type rawBody struct {
	json []byte
	err  error
}

// Resolve implements huma.Resolver.
func (b *rawBody) Resolve(ctx huma.Context) []error {
	b.json, b.err = io.ReadAll(ctx.BodyReader())
	var tooLarge *http.MaxBytesError
	if b.err != nil && !errors.As(b.err, &tooLarge) {
		b.err = newProblem(lifecycle.CodeInvalidRequest, "the body could not be read to its end")
	}
	return nil
}

// idempotencyKey is the header of that name: "" where there is none.
type idempotencyKey struct {
	key string
	err error
}

const idempotencyKeyHeader = "Idempotency-Key"

// Resolve implements huma.Resolver.
func (k *idempotencyKey) Resolve(ctx huma.Context) []error {
	given := 0
	ctx.EachHeader(func(name, value string) {
		if !strings.EqualFold(name, idempotencyKeyHeader) {
			return
		}
		given++
		k.key = value
	})
	invisible := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	if given > 1 || given == 1 && (k.key == "" || len(k.key) > 255 || strings.ContainsFunc(k.key, invisible)) {
		k.err = badParameter("header."+idempotencyKeyHeader, "expected one key of 1 to 255 visible ASCII characters")
	}
	return nil
}

// decodeBody reads a small JSON body into v, strictly. An empty body leaves v as it is.
func decodeBody(body rawBody, v any) error {
	if body.err != nil || len(body.json) == 0 {
		return body.err
	}
	if !utf8.Valid(body.json) || !json.Valid(body.json) {
		return newProblem(lifecycle.CodeInvalidRequest, "the body is not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(body.json))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(v)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType):
		return invalidBody(wrongType.Field, "wrong_type", "expected a JSON "+jsonType(wrongType.Type.String()))
	case err != nil: // the text was valid before, so that only a member remains that is not known
		return invalidBody("", "unknown_field", "there is a member that is not known")
	}
	return nil
}

// jsonType names a Go type in the words of JSON.
func jsonType(name string) string {
	switch name {
	case "string":
		return name
	case "bool":
		return "boolean"
	case "int", "*int":
		return "integer"
	case "[]string":
		return "array"
	}
	return "object"
}

// invalidBody is a JSON body that says something wrong.
func invalidBody(path, code, message string) *Problem {
	location := "body"
	if path != "" {
		location += "." + path
	}
	return invalidRequest("the body is not valid", ProblemError{Location: location, Code: code, Message: message})
}
