package dbtest

import (
	"context"
	"fmt"
)

func openDocker(_ context.Context, _ string) (*server, error) {
	return nil, fmt.Errorf("Docker %w", errAbsent)
}
