// Package replica is the composition root: a [Config] in, a running replica out.
//
//	                    ┌ api ───────────┐
//	clients ── HTTP ──▶ │ health         │──▶ lifecycle.Engine ──▶ pool ──▶ PostgreSQL
//	                    └────────────────┘         ▲
//	                    ┌ worker ────────┐         │
//	  River ──────────▶ │ Supervisor     │─────────┤
//	                    │ Heart          │──▶ a second Engine on connections of its own
//	                    └────────────────┘
//	                      Listener (weir_dirty, weir_stop) ──▶ nudges Engine, Heart and River
//
// All loops of the process hang on one errgroup. Health comes up first and goes down last; what takes on work comes up
// last and goes down first, while everything that it needs to end well still runs.
//
// A worker is known by an id that is new with every process. It is the id of the River client as well. Should the
// database forget it, the replica begins again under another one.
package replica
