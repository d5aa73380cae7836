// Command generate writes the documents of the API, in the directory that it is started in.
package main

import (
	"bytes"
	"fmt"
	"os"

	"go.yaml.in/yaml/v4"

	"github.com/weirqueue/weir/api"
)

func main() {
	if err := generate(); err != nil {
		panic(err)
	}
}

func generate() error {
	for file, document := range documents() {
		text, err := toYAML(document)
		if err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// documents are the files with what belongs into them, as JSON.
func documents() map[string][]byte {
	return map[string][]byte{"openapi.yaml": api.OpenAPI(), "openapi-3.0.yaml": api.OpenAPI30()}
}

// toYAML turns JSON into YAML, members in their order.
func toYAML(document []byte) ([]byte, error) {
	var tree yaml.Node
	if err := yaml.Unmarshal(document, &tree); err != nil {
		return nil, err
	}
	block(&tree)
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(&tree); err != nil {
		return nil, err
	}
	return text.Bytes(), encoder.Close()
}

// block has YAML written in its own style, not in that of JSON.
func block(node *yaml.Node) {
	node.Style = 0
	for _, child := range node.Content {
		block(child)
	}
}
