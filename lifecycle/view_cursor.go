package lifecycle

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// Cursors are opaque to clients: base64url of a letter, which says what list it belongs to, and the place in it.
const (
	runCursorLetter        = 'r'
	stepCursorLetter       = 's'
	transitionCursorLetter = 't'
	logCursorLetter        = 'l'
	bulkCursorLetter       = 'b'
	planCursorLetter       = 'p'
	versionCursorLetter    = 'v'
	scheduleCursorLetter   = 'c'
	lateCursorLetter       = 'e'
)

// badCursor is the answer to a cursor that the list did not give.
func badCursor() error {
	return &Error{Code: CodeInvalidRequest, Message: "the cursor is not one that this list gave: leave it out to start at the beginning"}
}

// encodeCursor packs fixed-size integers and arrays.
func encodeCursor(letter byte, fields any) string {
	packed, err := binary.Append([]byte{letter}, binary.BigEndian, fields)
	if err != nil {
		panic(err) // not of a fixed size: a mistake in this file
	}
	return base64.RawURLEncoding.EncodeToString(packed)
}

// decodeCursor unpacks what encodeCursor packed.
func decodeCursor(cursor string, letter byte, fields any) error {
	packed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(packed) == 0 || packed[0] != letter {
		return badCursor()
	}
	if read, err := binary.Decode(packed[1:], binary.BigEndian, fields); err != nil || read != len(packed)-1 {
		return badCursor()
	}
	return nil
}

// runPlace is where a run stands in a list, newest first.
type runPlace struct {
	Micros int64
	ID     uuid.UUID
}

func runCursor(run RunView) string {
	return encodeCursor(runCursorLetter, runPlace{Micros: run.CreatedAt.UnixMicro(), ID: run.ID})
}

func parseRunCursor(cursor string) (*queries.RunListCursor, error) {
	if cursor == "" {
		return nil, nil
	}
	var place runPlace
	if err := decodeCursor(cursor, runCursorLetter, &place); err != nil {
		return nil, err
	}
	return &queries.RunListCursor{CreatedAt: time.UnixMicro(place.Micros).UTC(), ID: place.ID}, nil
}

// stepPlace is the ordinal of a step.
type stepPlace struct{ Step int32 }

func stepCursor(step StepView) string {
	return encodeCursor(stepCursorLetter, stepPlace{Step: int32(step.Ordinal)})
}

func parseStepCursor(cursor string) (after int32, err error) {
	if cursor == "" {
		return 0, nil
	}
	var place stepPlace
	err = decodeCursor(cursor, stepCursorLetter, &place)
	return place.Step, err
}

// transitionPlace is where a transition stands in the history: the order in which transactions became visible. The
// epoch tells one history from another, after a restore for example.
type transitionPlace struct {
	Epoch uuid.UUID
	XID   uint64
	ID    int64
}

func (p transitionPlace) cursor() string { return encodeCursor(transitionCursorLetter, p) }

func parseTransitionCursor(cursor string, epoch uuid.UUID) (transitionPlace, error) {
	if cursor == "" {
		return transitionPlace{}, nil
	}
	var place transitionPlace
	if err := decodeCursor(cursor, transitionCursorLetter, &place); err != nil {
		return transitionPlace{}, err
	}
	if place.Epoch != epoch {
		return transitionPlace{}, &Error{Code: CodeInvalidRequest, Message: "the cursor is of another history, from before a restore or of another database: leave it out to start at the beginning"}
	}
	return place, nil
}

// logPlace is where a line stands: attempts of a step one after another, steps in the order of the plan.
type logPlace struct {
	Step    int32
	Attempt int32
	Seq     int64
}

func (p logPlace) cursor() string { return encodeCursor(logCursorLetter, p) }

func parseLogCursor(cursor string) (place logPlace, err error) {
	if cursor == "" {
		return place, nil
	}
	err = decodeCursor(cursor, logCursorLetter, &place)
	return place, err
}

// nameCursor is the place in a list by name: the last name that it has shown.
func nameCursor(letter byte, name string) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{letter}, name...))
}

func parseNameCursor(cursor string, letter byte) (after string, err error) {
	if cursor == "" {
		return "", nil
	}
	packed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(packed) < 2 || packed[0] != letter || !utf8.Valid(packed) || bytes.IndexByte(packed, 0) >= 0 {
		return "", badCursor()
	}
	return string(packed[1:]), nil
}

// versionPlace is a version of a plan.
type versionPlace struct{ Version int32 }
