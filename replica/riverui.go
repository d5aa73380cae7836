package replica

import (
	"fmt"
	"net/http"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"riverqueue.com/riverui"

	"github.com/weirqueue/weir/api"
)

// newRiverUI returns River's own pages on our schema, with a River client that works on nothing. Its services in the
// background, which count rows again and again whether somebody looks or not, are not started: the pages count then.
func (r *replica) newRiverUI() (http.Handler, error) {
	if r.cfg.NoAPI {
		return nil, nil //nolint:nilnil // no API, no pages
	}
	logger := riverLogger(r.cfg.Logger)
	client, err := river.NewClient(riverpgxv5.New(r.pool), &river.Config{Schema: riverSchema, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("set up River UI: %w", err)
	}
	handler, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(client, nil), Logger: logger, Prefix: api.RiverUIPath, JobListHideArgsByDefault: true,
	})
	if err != nil {
		return nil, fmt.Errorf("set up River UI: %w", err)
	}
	return handler, nil
}
