package lifecycle

import "github.com/google/uuid"

// shards is how many advisory locks guard the runs. The function weir.shard_of says the same.
const shards = 16

// shardOf is the shard of a run.
func shardOf(run uuid.UUID) int32 { return int32(run[15] % shards) }

// gateShard is the shard of the gate, which decides across all runs who gets the slots of limits. Its hints name runs and
// steps that it is to look at.
const gateShard = shards
