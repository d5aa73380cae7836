// Package openapi holds the published document of the API and the clients generated from it.
//
// openapi.yaml is OpenAPI 3.1, openapi-3.0.yaml the same in 3.0 for tools that do not know 3.1 yet. Both are generated from
// package api, which serves them as /openapi.json and /openapi-3.0.json; client/go is generated from the latter, the types of
// client/typescript from the former. After a change of the API: tools/generate, which has oapi-codegen in its PATH.
package openapi

//go:generate go run ./generate
//go:generate oapi-codegen -config client/go/oapi-codegen.yaml openapi-3.0.yaml
//go:generate ../tools/typescript
