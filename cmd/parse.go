package cmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

const description = "A workflow queue on PostgreSQL. 'weir dev' is where to begin."

// settingTag marks flags that can be given in the environment too: --pool-size as WEIR_POOL_SIZE.
const settingTag = "setting"

// settingName is the variable of such a flag.
func settingName(flag string) string {
	return "WEIR_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// exited is how kong's own exit, after --help, gets out of Parse.
type exited struct{}

// parse reads the command line. done: all that was asked for was help, and it was given.
func parse(env environment) (command *kong.Context, done bool, err error) {
	parser, err := kong.New(&cli{},
		kong.Name("weir"),
		kong.Description(description),
		kong.Writers(env.stdout, env.stderr),
		kong.Exit(func(int) { panic(exited{}) }),
		kong.Resolvers(settings(env.getenv)),
		kong.ValueFormatter(describe),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 120}),
	)
	if err != nil {
		return nil, false, fmt.Errorf("build the command line: %w", err)
	}
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(exited); !ok {
				panic(v)
			}
			command, done, err = nil, true, nil
		}
	}()
	args := env.args
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err = parser.Parse(args)
	if err != nil {
		return nil, false, usage(err)
	}
	return command, false, nil
}

// settings finds flags that were not given in the environment.
func settings(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if !flag.Tag.Has(settingTag) {
			return nil, nil //nolint:nilnil // kong's way to say: not here
		}
		if value := getenv(settingName(flag.Name)); value != "" {
			return value, nil
		}
		return nil, nil //nolint:nilnil // as above
	})
}

// describe is a flag's help with the name of its variable.
func describe(value *kong.Value) string {
	if value.Flag == nil || !value.Tag.Has(settingTag) {
		return value.Help
	}
	return strings.TrimSuffix(value.Help, ".") + " ($" + settingName(value.Name) + ")."
}

// usage is the error of a command line that cannot be read, with the help that fits.
func usage(err error) error {
	help := "weir --help"
	var parseErr *kong.ParseError
	if errors.As(err, &parseErr) && parseErr.Context != nil {
		if command := parseErr.Context.Command(); command != "" {
			help = "weir " + strings.TrimSpace(strings.SplitN(command, " <", 2)[0]) + " --help"
		}
	}
	return &usageError{what: err.Error(), try: help}
}
