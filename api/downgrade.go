package api

import (
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// downgrade turns a document of OpenAPI 3.1 into one of 3.0, in place: null is a keyword there and not a type, and there
// is one example and no const.
func downgrade(tree any) {
	walk(tree, func(node map[string]any) {
		downgradeNull(node)
		downgradeConditions(node)
		if types, ok := node["type"].([]any); ok {
			downgradeTypes(node, types)
		}
		if value, ok := node["const"]; ok {
			node["enum"] = []any{value}
			delete(node, "const")
		}
		if examples, ok := node["examples"].([]any); ok {
			if len(examples) > 0 {
				node["example"] = examples[0]
			}
			delete(node, "examples")
		}
		for exclusive, plain := range map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"} {
			if value, ok := node[exclusive].(float64); ok {
				node[plain], node[exclusive] = value, true
			}
		}
		for _, unknown := range []string{"patternProperties", "propertyNames", "$comment", "unevaluatedProperties", "prefixItems", "dependentRequired"} {
			delete(node, unknown)
		}
	})
}

// downgradeNull turns "this or null" into "this, nullable".
func downgradeNull(node map[string]any) {
	choices, ok := node["oneOf"].([]any)
	if !ok {
		return
	}
	rest := slices.DeleteFunc(slices.Clone(choices), func(choice any) bool {
		schema, ok := choice.(map[string]any)
		return ok && schema["type"] == "null"
	})
	if len(rest) == len(choices) {
		return
	}
	node["nullable"] = true
	delete(node, "oneOf")
	if len(rest) == 1 {
		node["type"] = huma.TypeObject // nullable needs a type beside it; all that may be null by reference are objects
		node["allOf"] = rest
		return
	}
	node["oneOf"] = rest
}

// downgradeConditions drops what is said only of some values: 3.0 has no way to say so.
func downgradeConditions(node map[string]any) {
	all, ok := node["allOf"].([]any)
	if !ok {
		return
	}
	rest := slices.DeleteFunc(all, func(schema any) bool {
		_, conditional := schema.(map[string]any)["if"]
		return conditional
	})
	node["allOf"] = rest
	if len(rest) == 0 {
		delete(node, "allOf")
	}
}

// downgradeTypes turns a list of types into one, or into a choice.
func downgradeTypes(node map[string]any, types []any) {
	rest := slices.DeleteFunc(slices.Clone(types), func(name any) bool { return name == "null" })
	if len(rest) < len(types) {
		node["nullable"] = true
	}
	delete(node, "type")
	switch len(rest) {
	case 0:
	case 1:
		node["type"] = rest[0]
	default:
		choices := make([]any, len(rest))
		for i, name := range rest {
			choices[i] = map[string]any{"type": name}
		}
		node["anyOf"] = choices
	}
}
