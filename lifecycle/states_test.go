package lifecycle_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/lifecycle"
)

// The constants are the enums of the database, in their order.
func TestStatesAndCausesAreTheDatabases(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	for enum, constants := range map[string][]string{
		"weir.step_state": words(lifecycle.StepStates()),
		"weir.run_state":  words(lifecycle.RunStates()),
		"weir.cause":      words(lifecycle.Causes()),
	} {
		var labels []string
		require.NoError(t, pool.QueryRow(t.Context(), "select array_agg(enumlabel::text order by enumsortorder) from pg_enum where enumtypid = $1::regtype", enum).Scan(&labels))
		require.Equal(t, labels, constants, enum)
	}
}

// Every transition of weir.legal_transitions is between states, no final state is left, and every other one is.
func TestLegalTransitionsLeaveExactlyWhatIsNotFinal(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	for entity, states := range map[string]map[string]bool{"step": finals(lifecycle.StepStates()), "run": finals(lifecycle.RunStates())} {
		left := make(map[string]bool)
		rows, err := pool.Query(t.Context(), "select from_state, to_state, meaning from weir.legal_transitions where entity = $1", entity)
		require.NoError(t, err)
		var from, to, meaning string
		_, err = pgx.ForEachRow(rows, []any{&from, &to, &meaning}, func() error {
			require.Contains(t, states, from)
			require.Contains(t, states, to)
			require.NotEmpty(t, meaning)
			left[from] = true
			return nil
		})
		require.NoError(t, err)
		for state, final := range states {
			require.NotEqual(t, final, left[state], "%s %s", entity, state)
		}
	}
}

// The order of the enum says which states are final: constraints and triggers compare with 'succeeded'.
func TestFinalStepStatesComeLast(t *testing.T) {
	t.Parallel()
	final := false
	for _, state := range lifecycle.StepStates() {
		final = final || state == lifecycle.StepSucceeded
		require.Equal(t, final, state.Final(), string(state))
	}
}

// words are constants as plain strings.
func words[T ~string](constants []T) []string {
	texts := make([]string, len(constants))
	for i, constant := range constants {
		texts[i] = string(constant)
	}
	return texts
}

// finals says of each state whether it is final.
func finals[T interface {
	~string
	Final() bool
}](states []T) map[string]bool {
	all := make(map[string]bool, len(states))
	for _, state := range states {
		all[string(state)] = state.Final()
	}
	return all
}
