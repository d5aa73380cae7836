// Package dbtest gives every test a PostgreSQL database of its own: migrated, empty, and gone when the test
// has passed. The database of a failed test is kept, and its URL is logged.
//
//	func TestSomething(t *testing.T) {
//		t.Parallel()
//		pool := dbtest.Pool(t)
//		…
//	}
//
// Databases are cloned from a template that is migrated once, so one costs about as much as a few inserts.
// All packages of one "go test ./..." share one server. It is looked for in this order:
//
//  1. WEIR_TEST_DATABASE_URL, the URL of a server on which we may create databases
//  2. Docker, with the image WEIR_TEST_POSTGRES_IMAGE (default postgres:17-alpine)
//  3. the PostgreSQL binaries of this machine; as root they are run as user postgres or nobody
//  4. binaries downloaded into the user's cache
//
// One that does not work is passed over, with a line in the log of the first test that says why, and not
// tried again by the other packages of the same "go test". WEIR_TEST_POSTGRES=url, docker, local or download
// takes that one or fails.
//
// The server of 2, 3 and 4 outlives the test process that started it and ends by itself a minute after its
// last client has gone, or half an hour after if a database of a failed test was kept.
package dbtest
