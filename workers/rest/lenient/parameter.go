package lenient

import (
	"net/url"
	"strings"
)

// PathValue is the value of a path segment as it stands in the request line. It is decoded twice, the second time as a
// form: + and %2B are a space, %252B is a plus. Clients of Corda encode names so.
func PathValue(segment string) string {
	once, err := url.PathUnescape(segment)
	if err != nil {
		return segment
	}
	return again(once)
}

// again decodes a second time; what does not decode a second time is left as it is.
func again(once string) string {
	twice, err := url.QueryUnescape(once)
	if err != nil {
		return once
	}
	return twice
}

// Query is a query string, by names in lower case: clients differ in the case of parameter names. Values are decoded
// twice, as those of a path. Pairs that do not decode at all are left out.
type Query map[string][]string

// ParseQuery reads a query string as it stands in the request line.
func ParseQuery(raw string) Query {
	q := Query{}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(name)
		value, valueErr := url.QueryUnescape(value)
		if name == "" || nameErr != nil || valueErr != nil {
			continue
		}
		name = strings.ToLower(name)
		q[name] = append(q[name], again(value))
	}
	return q
}

// Get is the first value of a name in lower case.
func (q Query) Get(name string) (string, bool) {
	if values := q[name]; len(values) > 0 {
		return values[0], true
	}
	return "", false
}
