package topology

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// series is one line of a worker's /metrics.
type series struct {
	name   string
	labels map[string]string
	value  float64
}

// key is the same for the same name and labels.
func (s series) key() string {
	var b strings.Builder
	b.WriteString(s.name)
	for _, name := range slices.Sorted(maps.Keys(s.labels)) {
		fmt.Fprintf(&b, " %s=%q", name, s.labels[name])
	}
	return b.String()
}

// parseSeries reads a line if it is one of Cordage's own.
//
// Source: Prometheus, text-based exposition format.
func parseSeries(line []byte) (s series, ok bool) {
	if !bytes.HasPrefix(line, []byte("cordage_")) {
		return s, false
	}
	rest := string(line)
	end := strings.IndexAny(rest, "{ ")
	if end < 0 {
		return s, false
	}
	s.name, rest = rest[:end], rest[end:]
	if strings.HasPrefix(rest, "{") {
		if s.labels, rest, ok = parseLabels(rest[1:]); !ok {
			return s, false
		}
	}
	value, _, _ := strings.Cut(strings.TrimSpace(rest), " ") // a time may follow
	number, err := strconv.ParseFloat(value, 64)
	s.value = number
	return s, err == nil
}

// parseLabels reads name="value" pairs up to the closing brace.
func parseLabels(text string) (labels map[string]string, rest string, ok bool) {
	labels = map[string]string{}
	for {
		text = strings.TrimLeft(text, ", ")
		if rest, ok := strings.CutPrefix(text, "}"); ok {
			return labels, rest, true
		}
		name, after, found := strings.Cut(text, `="`)
		if !found {
			return nil, "", false
		}
		var value strings.Builder
		i := 0
		for ; i < len(after) && after[i] != '"'; i++ {
			if after[i] != '\\' || i+1 == len(after) {
				value.WriteByte(after[i])
				continue
			}
			if i++; after[i] == 'n' {
				value.WriteByte('\n')
			} else {
				value.WriteByte(after[i])
			}
		}
		if i == len(after) {
			return nil, "", false
		}
		labels[name], text = value.String(), after[i+1:]
	}
}
