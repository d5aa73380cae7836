package lifecycle

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := NewTokens(b.pool)
	ctx := t.Context()
	known, err := tokens.TokensKnown(ctx)
	require.NoError(t, err)
	require.Equal(t, TokensKnown{}, known)
	view, secret, err := tokens.TokenCreate(ctx, TokenRequest{Name: "ana", Scopes: []string{"submit", "read", "read"}, Actor: "db:me"})
	require.NoError(t, err)
	require.Equal(t, []string{"read", "submit"}, view.Scopes)
	require.Regexp(t, "^weir_[A-Za-z0-9_-]{43}$", secret)
	sum := sha256.Sum256([]byte(secret))
	require.Equal(t, sum[:], scan[[]byte](b, `select hash from weir.tokens`))
	require.NotContains(t, scan[string](b, `select t::text from weir.tokens t`), secret)

	who, err := tokens.TokenVerify(ctx, secret)
	require.NoError(t, err)
	require.Equal(t, &Verified{Token: view.ID, Name: "ana", Scopes: view.Scopes}, who)
	used := scan[time.Time](b, `select used_at from weir.tokens`)
	_, err = tokens.TokenVerify(ctx, secret)
	require.NoError(t, err)
	require.Equal(t, used, scan[time.Time](b, `select used_at from weir.tokens`), "once a minute")
	b.exec(`update weir.tokens set used_at = used_at - interval '61 seconds'`)
	_, err = tokens.TokenVerify(ctx, secret)
	require.NoError(t, err)
	require.False(t, scan[time.Time](b, `select used_at from weir.tokens`).Before(used))

	for _, bad := range []string{"", "weir_", secret[5:], secret + "A", "weir_" + strings.Repeat("A", 43), "weir_" + strings.Repeat("\x00", 43)} {
		_, err = tokens.TokenVerify(ctx, bad)
		require.ErrorIs(t, err, ErrNotSignedIn)
		_, err = tokens.SessionVerify(ctx, bad)
		require.ErrorIs(t, err, ErrNotSignedIn)
	}
	b.exec(`update weir.tokens set expires_at = clock_timestamp()`)
	_, err = tokens.TokenVerify(ctx, secret)
	require.ErrorIs(t, err, ErrNotSignedIn)
	known, err = tokens.TokensKnown(ctx)
	require.NoError(t, err)
	require.Equal(t, TokensKnown{Ever: true}, known)
	list, err := tokens.TokenList(ctx)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.True(t, list[0].Expired)
	_, _, err = tokens.TokenCreate(ctx, TokenRequest{Name: "ana", Scopes: []string{"read"}, Actor: "db:me"})
	require.ErrorContains(t, err, "not valid", "it was not revoked")
	_, err = tokens.TokenRevoke(ctx, "ana")
	require.NoError(t, err)
	_, err = tokens.TokenRevoke(ctx, "ana")
	var missing *Error
	require.ErrorAs(t, err, &missing)
	require.Equal(t, CodeNotFound, missing.Code)
	view, _, err = tokens.TokenCreate(ctx, TokenRequest{Name: "ben", Scopes: []string{"read"}, ExpiresIn: time.Hour, Actor: "db:me"})
	require.NoError(t, err)
	require.Equal(t, time.Hour, view.ExpiresAt.Sub(view.CreatedAt).Round(time.Minute))
	ever, err := tokens.TokensEver(ctx)
	require.NoError(t, err)
	require.True(t, ever)
}

// TestTokenUsedByOthers shows that nobody waits for somebody else who tells that the token was used.
func TestTokenUsedByOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := NewTokens(b.pool)
	_, secret, err := tokens.TokenCreate(t.Context(), TokenRequest{Name: "ana", Scopes: []string{"read"}, Actor: "local"})
	require.NoError(t, err)
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `update weir.tokens set used_at = clock_timestamp()`)
	require.NoError(t, err)
	_, err = tokens.TokenVerify(t.Context(), secret)
	require.NoError(t, err)
	require.NoError(t, tx.Rollback(t.Context()))
}

func TestTokenRequests(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]TokenRequest{
		"no name":       {Scopes: []string{"read"}},
		"a bad name":    {Name: "a b", Scopes: []string{"read"}},
		"a line":        {Name: "a\n", Scopes: []string{"read"}},
		"a long name":   {Name: strings.Repeat("a", 129), Scopes: []string{"read"}},
		"no scope":      {Name: "a"},
		"another scope": {Name: "a", Scopes: []string{"read", "write"}},
		"over":          {Name: "a", Scopes: []string{"read"}, ExpiresIn: -1},
	} {
		_, err := r.check()
		require.Error(t, err, name)
	}
}
