//go:build !linux

// Command prove needs Linux.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "prove: it makes faults with what Linux has: run it on Linux, or in a container")
	os.Exit(2)
}
