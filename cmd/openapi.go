package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/weirqueue/weir/api"
)

// openapi prints the document that the API is published with.
type openapi struct {
	Version string `enum:"3.0,3.1" default:"3.1" help:"Of OpenAPI: 3.1 or 3.0."`
	Output  string `short:"o" enum:"yaml,json" default:"yaml" help:"How to print it: yaml or json."`
}

// Run implements the command.
func (c *openapi) Run(inv *invocation) error {
	document := api.OpenAPI()
	if c.Version == "3.0" {
		document = api.OpenAPI30()
	}
	if c.Output == "yaml" {
		return printYAML(inv.stdout, json.RawMessage(document))
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, bytes.TrimSpace(document), "", "  "); err != nil {
		return fmt.Errorf("print the document: %w", err)
	}
	_, err := fmt.Fprintln(inv.stdout, indented.String())
	return err
}
