package lifecycle

// The points at which a test can hold an Engine.
const (
	pauseStarted      = "started"       // a Start is committed and not answered
	pauseFinished     = "finished"      // a Finish is committed and not answered
	pauseBeforeTake   = "before take"   // reconcile is about to read the hints
	pauseBeforeLock   = "before lock"   // it has read them and is about to try the lock
	pauseTaken        = "taken"         // it holds the lock and has read what it will serve
	pauseBeforeUnlock = "before unlock" // it has done its work and is about to commit
	pauseFired        = "fired"         // the runs of a schedule are submitted, and it is about to commit
)

// pauses is where a test holds an Engine.
type pauses struct{ hold func(point string) }

func (p *pauses) at(point string) {
	if p != nil {
		p.hold(point)
	}
}
