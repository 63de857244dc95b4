package lenient

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Body reads the one body parameter of an operation: {"name": {...}} or {...}. The result is JSON that fits the schema:
// scalars are coerced, numbers and booleans that are missing or null are 0 and false, members that may be absent are
// null. A schema of any kind of value (anyOf) takes an object, or a string that holds the text of one; the result is the
// text as a JSON string.
//
// Errors are [*Error]: no value, malformed JSON, a member that is unknown, missing, given twice or of the wrong type.
func Body(body []byte, name string, schema *openapi3.Schema) (json.RawMessage, error) {
	out, err := readBody(body, name, schema)
	if err != nil {
		err.Parameter = name
		return nil, err
	}
	encoded, encodeErr := json.Marshal(out)
	if encodeErr != nil {
		return nil, &Error{name, MalformedJSON, encodeErr.Error()}
	}
	return encoded, nil
}

func readBody(body []byte, name string, schema *openapi3.Schema) (any, *Error) {
	n, ok, err := parse(body)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fault(MissingValue, "the request has no body")
	case n.kind != object:
		return nil, fault(WrongType, "the body is %s, an object is needed", n.kind)
	}
	if wrapped, ok := n.find(name); ok {
		n = wrapped
	}
	return coerce(n, schema, "")
}

// coerce makes a value fit a schema. path names the value in messages.
func coerce(n node, schema *openapi3.Schema, path string) (any, *Error) {
	if len(schema.AnyOf) > 0 {
		return anyValue(n, path)
	}
	switch kindOf(schema) {
	case openapi3.TypeString:
		return coerceText(n, schema, path)
	case openapi3.TypeInteger:
		return coerceInt(n, schema, path)
	case openapi3.TypeBoolean:
		return coerceBool(n, schema, path)
	case openapi3.TypeArray:
		return coerceArray(n, schema, path)
	case openapi3.TypeObject:
		return coerceObject(n, schema, path)
	}
	return nil, fault(WrongType, "%s: its schema has no type that can be read", where(path))
}

func kindOf(schema *openapi3.Schema) string {
	if schema.Type == nil || len(*schema.Type) != 1 {
		return ""
	}
	return (*schema.Type)[0]
}

func coerceText(n node, schema *openapi3.Schema, path string) (any, *Error) {
	switch n.kind {
	case text, number, boolean:
		if len(schema.Enum) > 0 && !slices.Contains(schema.Enum, any(n.text)) {
			return nil, fault(WrongType, "%s is %s, one of %v is needed", where(path), quote(n.text), schema.Enum)
		}
		return n.text, nil
	case null:
		return nothing(schema, path)
	}
	return nil, mismatch(n, path, "a string")
}

// nothing is null where the schema allows it.
func nothing(schema *openapi3.Schema, path string) (any, *Error) {
	if schema.Nullable {
		return nil, nil //nolint:nilnil // JSON null
	}
	return nil, fault(MissingValue, "%s is missing", where(path))
}

func coerceInt(n node, schema *openapi3.Schema, path string) (any, *Error) {
	low, high := float64(math.MinInt32), float64(math.MaxInt32)
	if schema.Format == "int64" {
		low, high = -(1 << 53), 1<<53
	}
	value := strings.TrimSpace(n.text)
	switch n.kind {
	case null:
		if schema.Nullable {
			return nil, nil //nolint:nilnil // JSON null
		}
		return 0, nil
	case text:
		if value == "" {
			return 0, nil
		}
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return nil, fault(WrongType, "%s is %s, a whole number is needed", where(path), quote(n.text))
		}
	case number:
	default:
		return nil, mismatch(n, path, "a whole number")
	}
	f, err := strconv.ParseFloat(value, 64) // exact up to 2^53
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, fault(WrongType, "%s is %s, a whole number is needed", where(path), quote(n.text))
	}
	if f = math.Trunc(f); f < low || f > high {
		return nil, fault(WrongType, "%s is %s, a number from %.0f to %.0f is needed", where(path), quote(n.text), low, high)
	}
	return int64(f), nil
}

func coerceBool(n node, schema *openapi3.Schema, path string) (any, *Error) {
	switch value := strings.TrimSpace(n.text); n.kind {
	case null:
		if schema.Nullable {
			return nil, nil //nolint:nilnil // JSON null
		}
		return false, nil
	case boolean:
		return value == "true", nil
	case number:
		f, _ := strconv.ParseFloat(value, 64) // a literal beyond all floats is infinite, and true
		return f != 0, nil
	case text:
		switch value {
		case "true", "True", "TRUE":
			return true, nil
		case "false", "False", "FALSE", "":
			return false, nil
		}
	}
	return nil, mismatch(n, path, "true or false")
}

func coerceArray(n node, schema *openapi3.Schema, path string) (any, *Error) {
	if n.kind == null {
		return nothing(schema, path)
	}
	if n.kind != array {
		return nil, mismatch(n, path, "an array")
	}
	out := make([]any, 0, len(n.items))
	for i, item := range n.items {
		v, err := coerce(item, schema.Items.Value, path+"["+strconv.Itoa(i)+"]")
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func coerceObject(n node, schema *openapi3.Schema, path string) (any, *Error) {
	if n.kind == null {
		return nothing(schema, path)
	}
	if n.kind != object {
		return nil, mismatch(n, path, "an object")
	}
	for _, m := range n.members {
		if schema.Properties[m.name] == nil {
			return nil, fault(UnknownMember, "%s is not known; known are %s", where(join(path, m.name)), known(schema))
		}
	}
	out := make(map[string]any, len(schema.Properties))
	for name, property := range schema.Properties {
		value, ok := n.find(name)
		if !ok {
			value = node{kind: null}
		}
		v, err := coerce(value, property.Value, join(path, name))
		if err != nil && !ok && !slices.Contains(schema.Required, name) {
			v, err = nil, nil
		}
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

// anyValue is the text of a value of any kind: a string as it is, an object or array as compact JSON.
func anyValue(n node, path string) (any, *Error) {
	switch n.kind {
	case text:
		return n.text, nil
	case object, array:
		var compact bytes.Buffer
		if err := json.Compact(&compact, n.raw); err != nil {
			return nil, fault(MalformedJSON, "%s: %v", where(path), err)
		}
		return compact.String(), nil
	case null:
		return nil, fault(MissingValue, "%s is missing", where(path))
	}
	return nil, mismatch(n, path, "an object, or a string that holds one")
}

func mismatch(n node, path, needed string) *Error {
	return fault(WrongType, "%s is %s, %s is needed", where(path), n.kind, needed)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func where(path string) string {
	if path == "" {
		return "the body"
	}
	return quote(path)
}

func known(schema *openapi3.Schema) string {
	names := make([]string, 0, len(schema.Properties))
	for name := range schema.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
