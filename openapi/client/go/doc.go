// Package client calls the API of Weir.
//
// [Weir] is what to use: it has one method a call, returns problems as errors ([Problem]), repeats what may be repeated,
// and goes through pages by itself. Underneath is [Client], generated from the published document.
package client
