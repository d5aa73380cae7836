package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/migrations"
	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// tokenCommands are the commands about tokens. They speak to the database: there may be no API to speak to without one.
type tokenCommands struct {
	Create tokenCreate `cmd:"" help:"Make a token and print it, once."`
	List   tokenList   `cmd:"" help:"List tokens, those that were revoked too."`
	Revoke tokenRevoke `cmd:"" help:"Make a token worthless, at once and for ever."`
}

// tokenTry is the command that makes a token.
const tokenTry = "weir token create NAME --scope read,submit"

// tokenAnswer is what may be seen of a token.
type tokenAnswer struct {
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by"`
	ExpiresAt *time.Time `json:"expires_at"` // null: never
	RevokedAt *time.Time `json:"revoked_at"` // null: it was not
	UsedAt    *time.Time `json:"used_at"`    // null: never
	State     string     `json:"state"`      // valid, expired or revoked
}

// createdToken is a token with what only who made it sees.
type createdToken struct {
	Token string `json:"token"`
	tokenAnswer
}

// tokenPage is the list of tokens: all of them.
type tokenPage struct {
	Items []tokenAnswer `json:"items"`
	Next  *string       `json:"next"`
}

func tokenOf(v *lifecycle.TokenView) tokenAnswer {
	a := tokenAnswer{
		Name: v.Name, Scopes: v.Scopes, CreatedAt: v.CreatedAt, CreatedBy: v.CreatedBy, ExpiresAt: v.ExpiresAt, RevokedAt: v.RevokedAt, UsedAt: v.UsedAt, State: "valid",
	}
	switch {
	case v.RevokedAt != nil:
		a.State = "revoked"
	case v.Expired:
		a.State = "expired"
	}
	return a
}

// withTokens does something with the tokens of the database. Actor is who does it: db: and the user of the database.
func (f databaseFlags) withTokens(ctx context.Context, do func(tokens *lifecycle.Tokens, actor string) error) error {
	config := f.config(slog.New(slog.DiscardHandler))
	config.MaxConns, config.AppName = 1, "weir token"
	pool, err := db.Open(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := db.CheckSchema(ctx, pool, migrations.Need()); err != nil {
		return err
	}
	actor := "local"
	if user := pool.Config().ConnConfig.User; user != "" {
		actor = "db:" + user
	}
	return explainToken(do(lifecycle.NewTokens(pool), actor))
}

// explainToken says what is wrong in the words of the command line.
func explainToken(err error) error {
	known, ok := errors.AsType[*lifecycle.Error](err)
	switch {
	case !ok:
		return err
	case known.Code == lifecycle.CodeNotFound:
		return &failure{what: known.Message, try: "weir token list", err: err}
	case known.Code == lifecycle.CodeInvalidRequest && len(known.Faults) > 0:
		words := map[string]string{"name": "NAME: ", "scopes": "--scope: ", "expires_in": "--expires: "}
		return &usageError{what: words[known.Faults[0].Path] + known.Faults[0].Message, try: tokenTry}
	}
	return &failure{what: known.Message, try: "weir doctor", err: err}
}

// tokenCreate makes a token.
type tokenCreate struct {
	databaseFlags
	outputFlags

	Name    string   `arg:"" name:"NAME" help:"Who it is for: history says token:NAME."`
	Scope   []string `required:"" placeholder:"SCOPE" help:"What it may do: read, submit, work, operate, or admin, which is all of them; several with commas."`
	Expires string   `placeholder:"DURATION" help:"How long it is good, for example 90d; for ever unless given."`
}

// Help is the long help.
func (c *tokenCreate) Help() string {
	return `The token stands alone on the first line of the answer. It is shown this once: the database has only a hash of it.
From the first token on, the API asks everybody for one, on loopback too. Give it to commands in $WEIR_TOKEN or --token-file.`
}

// Run implements the command.
func (c *tokenCreate) Run(inv *invocation) error {
	request := lifecycle.TokenRequest{Name: c.Name, Scopes: c.Scope}
	if c.Expires != "" {
		d, err := plan.ParseDuration(c.Expires)
		if err != nil {
			return &usageError{what: "--expires " + err.Error(), try: "--expires 90d"}
		}
		request.ExpiresIn = d
	}
	return c.withTokens(inv.ctx, func(tokens *lifecycle.Tokens, actor string) error {
		request.Actor = actor
		view, secret, err := tokens.TokenCreate(inv.ctx, request)
		if err != nil {
			return err
		}
		answer := createdToken{Token: secret, tokenAnswer: tokenOf(view)}
		return c.print(inv.stdout, answer, func(t *tableWriter) {
			t.line(secret)
			until := "until it is revoked"
			if view.ExpiresAt != nil {
				until = "until " + view.ExpiresAt.Format(time.RFC3339)
			}
			t.line(fmt.Sprintf("token %s may %s, %s; it is not shown again", view.Name, strings.Join(view.Scopes, ", "), until))
		})
	})
}

// tokenList lists tokens.
type tokenList struct {
	databaseFlags
	outputFlags
}

// Run implements the command.
func (c *tokenList) Run(inv *invocation) error {
	return c.withTokens(inv.ctx, func(tokens *lifecycle.Tokens, _ string) error {
		views, err := tokens.TokenList(inv.ctx)
		if err != nil {
			return err
		}
		page := tokenPage{Items: make([]tokenAnswer, len(views))}
		for i := range views {
			page.Items[i] = tokenOf(&views[i])
		}
		return c.print(inv.stdout, page, func(t *tableWriter) { tokenTable(t, page.Items) })
	})
}

func tokenTable(t *tableWriter, tokens []tokenAnswer) {
	at := func(moment *time.Time) string {
		if moment == nil {
			return ""
		}
		return moment.Format(time.RFC3339)
	}
	t.row("NAME", "STATE", "SCOPES", "CREATED", "BY", "EXPIRES", "USED")
	for _, v := range tokens {
		t.row(v.Name, v.State, strings.Join(v.Scopes, ","), at(&v.CreatedAt), v.CreatedBy, at(v.ExpiresAt), at(v.UsedAt))
	}
}

// tokenRevoke makes a token worthless.
type tokenRevoke struct {
	databaseFlags
	outputFlags

	Name string `arg:"" name:"NAME" help:"The name of the token."`
}

// Help is the long help.
func (c *tokenRevoke) Help() string {
	return `The next call with it is refused, and who has signed in with it is out. Its name may be used again. Revoking the last
token opens nothing: the API goes on asking for one.`
}

// Run implements the command.
func (c *tokenRevoke) Run(inv *invocation) error {
	return c.withTokens(inv.ctx, func(tokens *lifecycle.Tokens, _ string) error {
		view, err := tokens.TokenRevoke(inv.ctx, c.Name)
		if err != nil {
			return err
		}
		answer := tokenOf(view)
		return c.print(inv.stdout, answer, func(t *tableWriter) { tokenTable(t, []tokenAnswer{answer}) })
	})
}
