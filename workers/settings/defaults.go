package settings

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// WithDefaults adds the schema's defaults to a section's text. What is given stays as it is, secrets included; the
// text's validity is not checked beyond being a JSON object.
func WithDefaults(name, text string) (json.RawMessage, error) {
	s, err := find(name)
	if err != nil {
		return nil, err
	}
	object, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	merged, err := json.Marshal(complete(s.schema, object))
	if err != nil {
		return nil, fmt.Errorf("configuration section %s: %w", name, err)
	}
	return merged, nil
}

// complete adds defaults to value and to what is in it. A property that is absent and has no default stays absent.
func complete(schema map[string]any, value any) any {
	if _, secret := isSecret(value); secret {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for key, raw := range properties {
			property, ok := raw.(map[string]any)
			if !ok {
				continue
			}
			inner, given := v[key]
			if !given {
				if inner, given = property["default"]; !given {
					continue
				}
				inner = clone(inner)
			}
			v[key] = complete(property, inner)
		}
	case []any:
		if items, ok := schema["items"].(map[string]any); ok {
			for i := range v {
				v[i] = complete(items, v[i])
			}
		}
	case json.Number:
		if schema["type"] == "integer" {
			return plainInteger(v)
		}
	}
	return value
}

// plainInteger writes an integer such as 3e4 or 30000.0, which the schema lets pass, in digits only, which is what
// workers read.
func plainInteger(n json.Number) json.Number {
	if _, err := n.Int64(); err == nil {
		return n
	}
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > maxExact {
		return n
	}
	return json.Number(strconv.FormatInt(int64(f), 10))
}

// maxExact is the largest integer up to which a double holds every integer.
const maxExact = 1 << 53

// clone copies a default, which is shared by all that take it.
func clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(v))
		for key, inner := range v {
			copied[key] = clone(inner)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, inner := range v {
			copied[i] = clone(inner)
		}
		return copied
	}
	return value
}
