package embedded

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/weirqueue/weir/db/embedded/cluster"
)

// chooseBinaries takes the best binaries that can read the data: those of the machine first, then downloaded
// ones.
func chooseBinaries(ctx context.Context, data string, download cluster.Download) (cluster.Binaries, error) {
	major, err := cluster.DataMajor(data)
	if err != nil {
		return cluster.Binaries{}, err
	}
	found, err := cluster.Find(ctx)
	if err != nil && !errors.Is(err, cluster.ErrNoBinaries) {
		return cluster.Binaries{}, err
	}
	for _, binaries := range found {
		if major == 0 || binaries.Major == major {
			return binaries, nil
		}
	}
	if major == 0 || major == cluster.DownloadMajor {
		fetched, err := download.Fetch(ctx)
		if err != nil {
			return cluster.Binaries{}, &Error{
				What: fmt.Sprintf("there is no PostgreSQL here, and it could not be downloaded: %v", err),
				Hint: "install PostgreSQL (apt-get install postgresql, brew install postgresql), or give a --database-url", err: err,
			}
		}
		return fetched, nil
	}
	return cluster.Binaries{}, &Error{
		What: fmt.Sprintf("the data in %s was made by PostgreSQL %d, and %s", data, major, whatIsHere(found)),
		Hint: fmt.Sprintf("install PostgreSQL %d, or start with new data: weir dev --data DIR", major),
	}
}

// whatIsHere names the versions of this machine.
func whatIsHere(found []cluster.Binaries) string {
	if len(found) == 0 {
		return "there is none here"
	}
	var text strings.Builder
	text.WriteString("here is only " + found[0].Version)
	for _, binaries := range found[1:] {
		text.WriteString(", " + binaries.Version)
	}
	return text.String()
}
