// Package api is HTTP in and out: it turns requests into calls of package lifecycle, and answers into JSON.
//
// [New] is an [http.Handler] that answers every request, the wrong ones included, in the shapes of the published
// document ([OpenAPI]): resources in snake_case with every documented field present, and problems (RFC 9457) with a code
// of a closed list. It takes JSON only, refuses requests that a web page of another origin caused, and, when it listens
// on a loopback address, those that name another host: without tokens an open port would otherwise run what any page
// that somebody visits asks for.
package api
