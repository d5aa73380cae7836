package replica

import (
	"runtime/debug"
	"strings"
	"time"
)

// Build is what a binary was built from.
type Build struct {
	Version  string     `json:"version"`  // of the module; (devel) when it was built in its repository
	Revision *string    `json:"revision"` // of the repository; null when unknown
	Time     *time.Time `json:"time"`     // of that revision; null when unknown
	Modified bool       `json:"modified"` // the repository had changes that were not committed
}

// ReadBuild reads what this binary was built from.
func ReadBuild() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{Version: "unknown"}
	}
	return buildOf(info)
}

func buildOf(info *debug.BuildInfo) Build {
	b := Build{Version: info.Main.Version}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = &s.Value
		case "vcs.time":
			if at, err := time.Parse(time.RFC3339, s.Value); err == nil {
				b.Time = &at
			}
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is the build in one word: the version, and the revision where the version does not have it.
func (b Build) String() string {
	s := b.Version
	if b.Revision != nil && !strings.Contains(s, (*b.Revision)[:min(12, len(*b.Revision))]) {
		s += "-" + (*b.Revision)[:min(12, len(*b.Revision))]
	}
	if b.Modified && !strings.Contains(s, "+dirty") {
		s += "+dirty"
	}
	return s
}

// Matches reports whether this is the build that want names: "" is any; else its version, its whole name, or at least
// 7 characters of its revision. What has changes that were not committed is no revision.
func (b Build) Matches(want string) bool {
	switch {
	case want == "", want == b.String():
		return true
	case b.Modified:
		return false
	case want == b.Version:
		return true
	}
	return b.Revision != nil && len(want) >= 7 && strings.HasPrefix(*b.Revision, want)
}
