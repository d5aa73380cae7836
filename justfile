# Lists the recipes
default:
    @{{ just_executable() }} --list --unsorted

# Builds everything, and the binary ./weir
build:
    go build ./...
    CGO_ENABLED=0 go build -trimpath -o weir ./cmd/weir

# Runs a cluster on this machine with a database of its own: just dev --replicas 3
dev *args:
    go run ./cmd/weir dev {{ args }}

# Tests everything, or some packages: just test ./lifecycle/... -run TestSubmit
test *args='./...':
    go test {{ args }}

# Plays random plans against the model of the specification for longer: just model 2000 '*=20ms' also delays what may race
model checks='500' delays='*=0s':
    WEIR_FAULT_DELAYS='{{ delays }}' go test -tags weirfault -count=1 -timeout 2h -run 'TestModel$' ./lifecycle -rapid.checks {{ checks }} -rapid.shrinktime 1ms

# Searches the model of the reconcile protocol with spin, all of it: see docs/model/README.md
spin *args:
    WEIR_TEST_SPIN=1 go test -count=1 -v {{ args }} ./docs/model

# Runs the tests of several processes in their full size: just integration-full -run TestO9
integration-full *args:
    WEIR_INTEGRATION_FULL=1 go test -count=1 -timeout 2h {{ args }} ./integration

# Runs a cluster under load and faults and checks that nothing is lost: just prove --minutes 10 --seed 42 --replicas 4
prove *args:
    go run ./integration/prove {{ args }}

# Breaks copies of Weir, one way after the other, and checks that a proof finds it: just mutants attempt-fence
mutants *names:
    go run ./integration/mutants/run {{ names }}

# Measures Weir beside raw River: just bench --runs 5000
bench *args:
    go run -C bench . {{ args }}

# Looks for what a machine can find wrong
lint *args:
    $(tools/install)/golangci-lint run {{ args }}

# Formats the code
fmt:
    $(tools/install)/golangci-lint fmt

# Makes what is generated anew: queries, API description, client
generate:
    tools/generate

# Publishes the API as it is now: from here on CI fails when the document breaks it. Needs an entry in CHANGELOG.md
baseline: generate
    cp openapi/openapi.yaml openapi/baseline.yaml

# Writes db/schema.sql anew, after a change to db/migrations (needs PostgreSQL 15's pg_dump), and the queries from it
schema: && generate
    WEIR_UPDATE_GOLDEN=1 go test -count=1 -run TestGoldenSchema ./db/migrations

# Does all that must hold before a change is merged, or some steps of it: just ci linted tested
ci *steps:
    .ci/run {{ steps }}
