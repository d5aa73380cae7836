// The commands of examples/etl.yaml: `revenue`, `countries` and `join` read JSON on stdin and write their output where
// WEIR_OUTPUT says; `serve` plays the sources and the warehouse.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

const usage = "usage: etl serve [HOST:PORT] | revenue | countries | join"

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Getenv("WEIR_OUTPUT")); err != nil {
		fmt.Fprintln(os.Stderr, "etl:", err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout io.Writer, file string) error {
	if len(args) == 0 {
		return fmt.Errorf("say what to do; %s", usage)
	}
	switch args[0] {
	case "serve":
		return serve(args[1:], stdout)
	case "revenue":
		return transform(stdin, file, revenue)
	case "countries":
		return transform(stdin, file, countries)
	case "join":
		return transform(stdin, file, join)
	}
	return fmt.Errorf("%s is not known; %s", args[0], usage)
}

// transform reads the input of a step and writes its output.
func transform[In, Out any](stdin io.Reader, file string, of func(In) (Out, error)) error {
	var in In
	if err := json.NewDecoder(stdin).Decode(&in); err != nil {
		return fmt.Errorf("read stdin: %w", err)
	}
	out, err := of(in)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return os.WriteFile(file, raw, 0o600)
}

// order is a row of the first source.
type order struct {
	Customer string `json:"customer"`
	Cents    int64  `json:"cents"`
}

// revenue is what each customer has paid, in cents.
func revenue(orders []order) (map[string]int64, error) {
	sum := map[string]int64{}
	for i, o := range orders {
		if o.Cents < 0 {
			return nil, fmt.Errorf("order %d has a negative price", i+1)
		}
		sum[o.Customer] += o.Cents
	}
	return sum, nil
}

// customer is a row of the second source.
type customer struct {
	ID      string `json:"id"`
	Country string `json:"country"`
}

// countries says where each customer lives.
func countries(customers []customer) (map[string]string, error) {
	lives := map[string]string{}
	for _, c := range customers {
		lives[c.ID] = c.Country
	}
	return lives, nil
}

// joined is the input of join.
type joined struct {
	Revenue   map[string]int64  `json:"revenue"`
	Countries map[string]string `json:"countries"`
	Converted string            `json:"converted"` // how the step that fetches exchange rates ended
}

// report is what is loaded into the warehouse.
type report struct {
	Cents     map[string]int64 `json:"cents"`     // by country
	Converted bool             `json:"converted"` // whether there were exchange rates
}

// join is the revenue of each country.
func join(in joined) (report, error) {
	out := report{Cents: map[string]int64{}, Converted: in.Converted == "succeeded"}
	for id, cents := range in.Revenue {
		country, known := in.Countries[id]
		if !known {
			country = "unknown"
		}
		out.Cents[country] += cents
	}
	return out, nil
}
