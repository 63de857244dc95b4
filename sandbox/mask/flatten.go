package mask

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Settings gives a configuration in JSON as a list of masked values whose names are paths with dots, in the order of
// name. Members that are empty are left out.
func Settings(config []byte, from string) ([]sandbox.Setting, error) {
	masked, _, err := JSON(config, 0)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	d := json.NewDecoder(strings.NewReader(string(masked)))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoJSON, err)
	}
	list := flatten(nil, "", tree, from)
	slices.SortFunc(list, func(a, b sandbox.Setting) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func flatten(list []sandbox.Setting, path string, value any, from string) []sandbox.Setting {
	below := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			list = flatten(list, below(name), v[name], from)
		}
	case []any:
		for i, one := range v {
			list = flatten(list, below(fmt.Sprint(i)), one, from)
		}
	case nil:
	default:
		if text := fmt.Sprint(v); text != "" {
			list = append(list, sandbox.Setting{Name: path, Value: text, From: from})
		}
	}
	return list
}
