package lifecycle

import "github.com/weirqueue/weir/db/migrations"

// SchemaVersion is the newest version of the database's schema that this binary brings.
func SchemaVersion() int { return migrations.Latest() }
