package jobs

import (
	"math/rand/v2"
	"time"
)

// jittered is how long to wait after so many failures in a row (from 1): it doubles from base up to limit, and is
// spread over half to all of that, so that those who failed together do not come back together.
func jittered(failures int, base, limit time.Duration) time.Duration {
	d := limit
	if shift := failures - 1; shift < 30 && base<<shift < limit {
		d = base << shift
	}
	return d/2 + rand.N(d/2+1)
}
