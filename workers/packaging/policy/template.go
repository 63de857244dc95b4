package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/ident"
)

// Keys of a member template.
const (
	endpointURL      = "endpointUrl-"
	endpointProtocol = "endpointProtocol-"
)

// checkTemplates tells which members could not register. Corda finds that out only when they try, so a policy with such
// templates is valid all the same.
func checkTemplates(members []MemberTemplate) (warnings []string) {
	seen := map[ident.Name]int{}
	for i, m := range members {
		place := fmt.Sprintf("group policy: /protocolParameters/staticNetwork/members/%d", i)
		name, err := ident.ParseName(m.Name())
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("%s: %v", place, err))
		} else if first, twice := seen[name]; twice {
			warnings = append(warnings, fmt.Sprintf("%s: member %d has the same name, %s; neither can register", place, first, name))
		} else {
			seen[name] = i
		}
		if _, err := m.Endpoints(); err != nil {
			warnings = append(warnings, fmt.Sprintf("%s: %v", place, err))
		}
	}
	return warnings
}

// Endpoint is an address at which a member's cluster is reached.
type Endpoint struct {
	URL      string
	Protocol int
}

// Endpoints are those of a member, numbered from 1 without a gap; there must be one.
func (m MemberTemplate) Endpoints() ([]Endpoint, error) {
	urls := m.numbered(endpointURL)
	protocols := m.numbered(endpointProtocol)
	if len(urls) == 0 || len(urls) != len(protocols) {
		return nil, fmt.Errorf("it has %d endpoint addresses and %d endpoint protocols; as many of each, and one at least, are needed", len(urls), len(protocols))
	}
	out := make([]Endpoint, len(urls))
	for i := range out {
		n := strconv.Itoa(i + 1)
		url, ok := m[endpointURL+n].(string)
		if !ok {
			return nil, fmt.Errorf("%s%s is missing or not text", endpointURL, n)
		}
		protocol, err := whole(m[endpointProtocol+n])
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", endpointProtocol, n, err)
		}
		out[i] = Endpoint{URL: url, Protocol: protocol}
	}
	return out, nil
}

func (m MemberTemplate) numbered(prefix string) []string {
	return slices.DeleteFunc(slices.Collect(maps.Keys(m)), func(k string) bool { return !strings.HasPrefix(k, prefix) })
}

// whole reads a number that may be written as text.
func whole(v any) (int, error) {
	switch n := v.(type) {
	case float64:
		if n == float64(int(n)) {
			return int(n), nil
		}
	case json.Number:
		if i, err := strconv.Atoi(n.String()); err == nil {
			return i, nil
		}
	case string:
		if i, err := strconv.Atoi(n); err == nil {
			return i, nil
		}
	}
	return 0, fmt.Errorf("a whole number is needed, not %v", v)
}
