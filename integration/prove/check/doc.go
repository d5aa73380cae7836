// Package check says whether a cluster kept its promises, from nothing but the ledger of what really ran, the submits that
// were acknowledged, what a Watcher saw along the way, and the tables of the schema weir.
//
// It is for Linux only.
package check
