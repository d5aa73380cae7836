package cmd

import (
	"errors"

	"github.com/google/uuid"
)

// runID is the id of a run on the command line.
type runID uuid.UUID

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *runID) UnmarshalText(text []byte) error {
	parsed, err := uuid.ParseBytes(text)
	if err != nil || len(text) != len(uuid.UUID{}.String()) {
		return errors.New("the id of a run is 32 hexadecimal digits in groups of 8-4-4-4-12; 'weir runs' lists them")
	}
	*id = runID(parsed)
	return nil
}

// String is the id as everybody writes it.
func (id runID) String() string { return uuid.UUID(id).String() }

// runArg names a run.
type runArg struct {
	ID runID `arg:"" name:"ID" help:"The id of the run."`
}

// runOrMany names a run, unless flags say that many are meant.
type runOrMany struct {
	bulkFlags

	ID *runID `arg:"" optional:"" name:"ID" help:"The id of the run."`
}

// uuid is the id.
func (a runOrMany) uuid() uuid.UUID { return uuid.UUID(*a.ID) }

// uuid is the id.
func (a runArg) uuid() uuid.UUID { return uuid.UUID(a.ID) }
