package replica

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/jobs"
)

func TestConfigQueues(t *testing.T) {
	t.Parallel()
	registry := func(exec bool) *jobs.Registry {
		reg := jobs.NewRegistry()
		require.NoError(t, jobs.RegisterBuiltin(reg, jobs.BuiltinConfig{EnableExec: exec}))
		return reg
	}
	for name, c := range map[string]struct {
		exec   bool
		queues map[string]int
		want   map[string]int
	}{
		"defaults":        {false, nil, map[string]int{"default": DefaultSlots}},
		"with exec":       {true, nil, map[string]int{"default": DefaultSlots, "exec": 2 * runtime.GOMAXPROCS(0)}},
		"one more":        {false, map[string]int{"gpu": 1}, map[string]int{"default": DefaultSlots, "gpu": 1}},
		"others":          {true, map[string]int{"default": 0, "exec": 1}, map[string]int{"exec": 1}},
		"exec without it": {false, map[string]int{"exec": 3}, map[string]int{"default": DefaultSlots, "exec": 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := Config{Registry: registry(c.exec), Queues: c.queues}.withDefaults()
			require.NoError(t, err)
			require.Equal(t, c.want, cfg.Queues)
		})
	}
}

func TestConfigAPI(t *testing.T) {
	t.Parallel()
	reg := jobs.NewRegistry()
	for name, c := range map[string]Config{
		"auth":                   {Auth: "some"},
		"no port":                {Listen: "8080"},
		"a key without":          {TLSKey: "key.pem"},
		"a certificate without":  {TLSCert: "cert.pem"},
		"profiles for everybody": {DebugListen: ":6060"},
		"profiles, no port":      {DebugListen: "localhost"},
	} {
		c.Registry = reg
		var refused *ConfigError
		require.ErrorAs(t, c.Check(), &refused, name)
		require.NotEmpty(t, refused.Hint)
	}
	for _, auth := range []Auth{"", AuthAuto, AuthToken, AuthNone} {
		require.NoError(t, Config{Registry: reg, Listen: ":80", Auth: auth, DebugListen: "127.0.0.1:0"}.Check(), "whether there are tokens is seen later")
	}
}

func TestBuildMatches(t *testing.T) {
	t.Parallel()
	settings := func(modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"},
			{Key: "vcs.time", Value: "2026-01-02T03:04:05Z"},
			{Key: "vcs.modified", Value: modified},
		}}
	}
	clean, dirty := buildOf(settings("false")), buildOf(settings("true"))
	require.Equal(t, "v1.2.3-0123456789ab", clean.String())
	require.Equal(t, "v1.2.3-0123456789ab+dirty", dirty.String())
	for _, want := range []string{"", "v1.2.3", "0123456", "0123456789abcdef0123456789abcdef01234567", "v1.2.3-0123456789ab"} {
		require.True(t, clean.Matches(want), want)
	}
	for _, want := range []string{"v1.2.4", "012345", "1123456", "v1.2.3-0123456789ab+dirty"} {
		require.False(t, clean.Matches(want), want)
	}
	require.False(t, dirty.Matches("0123456"), "what was changed is not that revision")
	require.True(t, dirty.Matches("v1.2.3-0123456789ab+dirty"))
	require.Equal(t, "(devel)", buildOf(&debug.BuildInfo{}).String())
}
