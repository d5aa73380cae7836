package lifecycle

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirqueue/weir/db/queries"
)

// tokenPrefix starts every token, so that people and scanners recognize one.
const tokenPrefix = "weir_"

// secretBytes is how many random bytes a token or a session has.
const secretBytes = 32

// ErrNotSignedIn says that a token or session does not exist, or may not be used any more.
var ErrNotSignedIn = errors.New("there is no such token, or it has expired or was revoked")

// TokenScopes are the scopes that a token may have.
func TokenScopes() []string { return []string{"read", "submit", "work", "operate", "admin"} }

// TokenRequest asks for a token.
type TokenRequest struct {
	Name      string        // 1 to 128 letters, digits, ".", "_" and "-", the first one a letter or digit
	Scopes    []string      // at least one of TokenScopes
	ExpiresIn time.Duration // how long it is good, by the clock of the database; 0 = for ever
	Actor     string        // who asks
}

// TokenView is what may be seen of a token.
type TokenView struct {
	ID        uuid.UUID
	Name      string
	Scopes    []string
	CreatedAt time.Time
	CreatedBy string
	ExpiresAt *time.Time // nil = never
	RevokedAt *time.Time // nil = it was not
	UsedAt    *time.Time // to the minute; nil = never
	Expired   bool       // by the clock of the database
}

// Verified is whom a token or a session belongs to.
type Verified struct {
	Token     uuid.UUID
	Name      string
	Scopes    []string
	ExpiresAt *time.Time // of the token or the session; nil = never
}

// TokensKnown is what there is of tokens.
type TokensKnown struct {
	Ever   bool // there is one, or was one that has expired or was revoked
	Usable bool // one may be used now
}

// Tokens are the tokens of a database, and the sessions that were opened with them. All methods may be called
// concurrently.
type Tokens struct {
	q *queries.Queries
}

// NewTokens uses the pool.
func NewTokens(pool *pgxpool.Pool) *Tokens { return &Tokens{q: queries.New(pool)} }

// tokenName is what a token may be called.
var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// TokenCreate makes a token. Its secret is known to nobody but who gets it from here: the database has a hash. A name
// that another token has, one that was not revoked, is an [Error] with CodeInvalidRequest.
func (t *Tokens) TokenCreate(ctx context.Context, request TokenRequest) (view *TokenView, secret string, err error) {
	scopes, err := request.check()
	if err != nil {
		return nil, "", err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, "", err
	}
	secret = tokenPrefix + newSecret()
	params := queries.TokenCreateParams{ID: id, Name: request.Name, Hash: hashOf(secret), Scopes: scopes, CreatedBy: request.Actor}
	if seconds := request.ExpiresIn.Seconds(); seconds != 0 {
		params.Seconds = &seconds
	}
	row, err := t.q.TokenCreate(ctx, params)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, "", invalid("name", "another token has this name: revoke that one first, or choose another name")
	}
	if err != nil {
		return nil, "", mapError(err)
	}
	view = &TokenView{ID: id, Name: request.Name, Scopes: scopes, CreatedAt: row.CreatedAt, CreatedBy: request.Actor, ExpiresAt: row.ExpiresAt}
	return view, secret, nil
}

// check refuses what no token can be, and gives the scopes, each once and in order.
func (r TokenRequest) check() (scopes []string, err error) {
	if !tokenName.MatchString(r.Name) {
		return nil, invalid("name", `expected 1 to 128 letters, digits, ".", "_" and "-", the first one a letter or digit`)
	}
	for _, scope := range TokenScopes() {
		if slices.Contains(r.Scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	unknown := func(scope string) bool { return !slices.Contains(TokenScopes(), scope) }
	if len(scopes) == 0 || slices.ContainsFunc(r.Scopes, unknown) {
		return nil, invalid("scopes", "expected at least one of "+strings.Join(TokenScopes(), ", "))
	}
	if r.ExpiresIn < 0 {
		return nil, invalid("expires_in", "expected more than nothing")
	}
	return scopes, nil
}

// TokenList lists all tokens by name, those that were revoked too.
func (t *Tokens) TokenList(ctx context.Context) ([]TokenView, error) {
	rows, err := t.q.TokenList(ctx)
	if err != nil {
		return nil, mapError(err)
	}
	views := make([]TokenView, len(rows))
	for i, row := range rows {
		views[i] = TokenView(row)
	}
	return views, nil
}

// TokenRevoke makes a token worthless, at once, and ends its sessions. CodeNotFound: there is none of that name, or it was
// revoked before.
func (t *Tokens) TokenRevoke(ctx context.Context, name string) (*TokenView, error) {
	row, err := t.q.TokenRevoke(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, &Error{Code: CodeNotFound, Message: "there is no token of this name, or it was revoked before"}
	}
	if err != nil {
		return nil, mapError(err)
	}
	view := TokenView(row)
	return &view, nil
}

// TokenVerify tells whose token this is; [ErrNotSignedIn]: nobody's, or it may not be used any more.
func (t *Tokens) TokenVerify(ctx context.Context, secret string) (*Verified, error) {
	if !wellFormed(strings.CutPrefix(secret, tokenPrefix)) {
		return nil, ErrNotSignedIn
	}
	row, err := t.q.TokenVerify(ctx, hashOf(secret))
	if err != nil {
		return nil, notSignedIn(err)
	}
	return &Verified{Token: row.ID, Name: row.Name, Scopes: row.Scopes, ExpiresAt: row.ExpiresAt}, nil
}

// TokensKnown tells what there is of tokens.
func (t *Tokens) TokensKnown(ctx context.Context) (TokensKnown, error) {
	row, err := t.q.TokensKnown(ctx)
	if err != nil {
		return TokensKnown{}, mapError(err)
	}
	return TokensKnown(row), nil
}

// TokensEver tells whether there is a token or ever was one.
func (t *Tokens) TokensEver(ctx context.Context) (bool, error) {
	ever, err := t.q.TokensEver(ctx)
	return ever, mapError(err)
}

// SessionCreate opens a session that may what the token may, for 12 hours and never longer than the token. Its secret is
// for the cookie of a browser. [ErrNotSignedIn]: the token may not be used any more.
func (t *Tokens) SessionCreate(ctx context.Context, token uuid.UUID) (secret string, expires time.Time, err error) {
	secret = newSecret()
	expires, err = t.q.SessionCreate(ctx, queries.SessionCreateParams{Hash: hashOf(secret), Token: token})
	if err != nil {
		return "", time.Time{}, notSignedIn(err)
	}
	return secret, expires, nil
}

// SessionVerify tells whose session this is; [ErrNotSignedIn]: nobody's, or it is over.
func (t *Tokens) SessionVerify(ctx context.Context, secret string) (*Verified, error) {
	if !wellFormed(secret, true) {
		return nil, ErrNotSignedIn
	}
	row, err := t.q.SessionVerify(ctx, hashOf(secret))
	if err != nil {
		return nil, notSignedIn(err)
	}
	return &Verified{Token: row.ID, Name: row.Name, Scopes: row.Scopes, ExpiresAt: &row.ExpiresAt}, nil
}

// SessionEnd ends a session. One that there is not has ended.
func (t *Tokens) SessionEnd(ctx context.Context, secret string) error {
	return mapError(t.q.SessionEnd(ctx, hashOf(secret)))
}

func notSignedIn(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotSignedIn
	}
	return mapError(err)
}

// newSecret is 256 random bits in base64url: 43 characters.
func newSecret() string {
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails
	return base64.RawURLEncoding.EncodeToString(random)
}

// wellFormed reports whether a secret may be one of newSecret.
func wellFormed(secret string, prefixed bool) bool {
	return prefixed && len(secret) == base64.RawURLEncoding.EncodedLen(secretBytes)
}

// hashOf is what is stored of a secret. It has 256 random bits, so that nothing slower than this is needed.
func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
