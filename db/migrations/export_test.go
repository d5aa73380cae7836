package migrations

// What the tests need of the inside.
var (
	UpFS     = up
	DownFS   = down
	StatusFS = status
)

// LockKey is the key of the advisory lock.
const LockKey = lockKey
