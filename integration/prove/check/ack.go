//go:build linux

package check

import (
	"time"

	"github.com/google/uuid"
)

// Ack is an answer that promised a run: 200 or 201, also the answer of a duplicate.
type Ack struct {
	Run  uuid.UUID     `json:"run"`
	Key  string        `json:"key,omitempty"`  // the Idempotency-Key that was sent
	Nth  int           `json:"nth,omitempty"`  // its place in the batch that was submitted under Key, from 0
	Name string        `json:"name,omitempty"` // the plan's
	At   time.Duration `json:"at"`             // when the answer came, as ledger.Now tells it
}
