package embedded

import "github.com/weirqueue/weir/db/embedded/cluster"

// PlaceData finds the place of the data below path for an account.
func PlaceData(path, elsewhere string, account cluster.Account) (string, error) {
	return (&directory{path: path, elsewhere: elsewhere}).data(account)
}
