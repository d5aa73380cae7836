// Package mutants has changes to Weir that break it as job queues have been broken before: each a diff of at most 20
// lines that compiles. A proof (see package prove) of a copy with one of them has to fail within two minutes:
//
//	just mutants             all of them
//	just mutants NAME…       some of them
//
// The tests here only see to it that every diff still fits the code.
package mutants
