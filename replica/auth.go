package replica

import (
	"context"
	"fmt"

	"github.com/weirqueue/weir/lifecycle"
)

// checkTokens refuses an API beyond loopback that nobody could sign in to: it is either not meant to be, or meant to be
// open, and then somebody has to say so. It keeps whether there ever was a token.
func (r *replica) checkTokens(ctx context.Context) error {
	if r.cfg.NoAPI || r.cfg.Auth == AuthNone {
		return nil
	}
	tokens, err := lifecycle.NewTokens(r.pool).TokensKnown(ctx)
	if err != nil {
		return fmt.Errorf("look for tokens: %w", err)
	}
	r.noTokens = !tokens.Ever
	if tokens.Usable || OnLoopback(r.cfg.Listen) {
		return nil
	}
	return &ConfigError{
		What: fmt.Sprintf("an API on %s needs a token, and there is none that may be used: without one, everybody who can connect could run whatever they like", r.cfg.Listen),
		Hint: "weir token create NAME --scope read,submit, or bind to loopback (--listen " + DefaultListen + "), or say --auth none if only friends can connect",
	}
}
