package examples_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// document is a plan as JSON, with another input unless that is "".
func document(t *testing.T, file, input string) json.RawMessage {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	raw, err := plan.JSON(text)
	require.NoError(t, err)
	if input == "" {
		return raw
	}
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &members))
	members["input"] = json.RawMessage(input)
	raw, err = json.Marshal(members)
	require.NoError(t, err)
	return raw
}
