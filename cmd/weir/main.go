// Command weir is a workflow queue on PostgreSQL: its server, its worker and its client.
package main

import (
	"os"

	"github.com/weirqueue/weir/cmd"
)

func main() { os.Exit(cmd.Main(nil)) }
