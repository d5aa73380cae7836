// Package workload is what a cluster of Weir is given to do while it is being proved: random plans with everything that
// plans can say, clients that submit them, some more than once, an operator who signals, decides, pauses and cancels,
// and somebody who tampers with River's jobs.
//
// All chance comes from a seed. Plan number i of a seed is always the same, and so is what is done with it: submitted
// alone, in a batch, under a key, by its name, or twice; paused, cancelled, run again. Only when it happens is not.
//
// # Names that tell something
//
// A key of a concurrency limit is limit/LIMIT/STRATEGY/NAME, that of a rate rate/LIMIT/MS/NAME: all that ask for a key
// ask for the same. A run is called drawn/I, or drawn/I/below if it is part of one. The key of a wait that nobody is to
// end begins with never, one that is signalled before it waits with early.
//
// Only steps of the kinds work and exec are in the ledger. The Note of their start says what they are about to do; an
// exec step whose word is ignore may be killed before its end is noted.
//
// It is for Linux only.
package workload
