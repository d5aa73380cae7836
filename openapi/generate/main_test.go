package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocumentsAreCurrent compares what is committed with what the code says.
func TestDocumentsAreCurrent(t *testing.T) {
	t.Parallel()
	for file, document := range documents() {
		want, err := toYAML(document)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("..", file))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "the API has changed: go generate ./openapi")
	}
}
