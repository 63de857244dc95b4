package logs

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// parse reads a line of a node's log in the form of whoever wrote it: Cordage's own JSON, PostgreSQL's or Kafka's. The
// second result is false for a line that begins no entry.
func parse(line string) (sandbox.LogLine, bool) {
	switch {
	case strings.HasPrefix(line, "{"):
		return parseJSON(line)
	case strings.HasPrefix(line, "["):
		return parseKafka(line)
	default:
		return parsePostgres(line)
	}
}

// parseJSON reads what log/slog writes.
func parseJSON(line string) (l sandbox.LogLine, ok bool) {
	var members map[string]any
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber() // as it is written
	if d.Decode(&members) != nil {
		return l, false
	}
	text, _ := members["time"].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return l, false
	}
	l.Time = at.UTC()
	l.Text, _ = members["msg"].(string)
	level, _ := members["level"].(string)
	l.Level = levelOf(level)
	l.TraceID, _ = members["trace_id"].(string)
	if members["role"] != nil { // a worker, whose own name tells nothing; the supervisor writes of other nodes
		delete(members, "node")
	}
	for _, known := range []string{"time", "level", "msg", "trace_id", "span_id", "role"} {
		delete(members, known)
	}
	for name, value := range members {
		if l.Fields == nil {
			l.Fields = map[string]string{}
		}
		l.Fields[name] = textOf(value)
	}
	return l, true
}

func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case map[string]any, []any:
		text, _ := json.Marshal(v) // it was JSON
		return string(text)
	default:
		return fmt.Sprint(v)
	}
}

// levelOf gives our word for a level; slog writes those between as INFO+2.
func levelOf(s string) string {
	s, _, _ = strings.Cut(strings.ToUpper(s), "+")
	switch s {
	case "TRACE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5":
		return "debug"
	case "INFO", "LOG", "NOTICE":
		return "info"
	case "WARN", "WARNING":
		return "warn"
	case "ERROR", "FATAL", "PANIC":
		return "error"
	}
	return ""
}

// rank orders levels; what has none counts as information.
func rank(level string) int {
	switch level {
	case "debug":
		return 0
	case "warn":
		return 2
	case "error":
		return 3
	}
	return 1
}

var ( //nolint:gochecknoglobals // constants
	kafkaLine    = regexp.MustCompile(`^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] ([A-Z]+) (.*)$`)
	kafkaLogger  = regexp.MustCompile(`^(.*) \(([\w.$]+)\)$`)
	postgresLine = regexp.MustCompile(`^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) UTC \[(\d+)\] (?:(\S+@\S+) (\S+) )?([A-Z]+\d?):  (.*)$`)
)

func parseKafka(line string) (l sandbox.LogLine, ok bool) {
	m := kafkaLine.FindStringSubmatch(line)
	if m == nil || levelOf(m[2]) == "" {
		return l, false
	}
	at, err := time.ParseInLocation("2006-01-02 15:04:05,000", m[1], time.Local)
	if err != nil {
		return l, false
	}
	// Java writes the zone of its machine, which in a container is UTC; what would be in the future is that.
	if ahead := time.Until(at); ahead > time.Minute {
		at, _ = time.Parse("2006-01-02 15:04:05,000", m[1])
	}
	l = sandbox.LogLine{Time: at.UTC(), Level: levelOf(m[2]), Text: m[3]}
	if t := kafkaLogger.FindStringSubmatch(m[3]); t != nil {
		l.Text, l.Fields = t[1], map[string]string{"logger": t[2]}
	}
	return l, true
}

// parsePostgres reads an entry of PostgreSQL. Its further lines (DETAIL, HINT, STATEMENT, …) begin like entries and are
// parts of the one before.
func parsePostgres(line string) (l sandbox.LogLine, ok bool) {
	m := postgresLine.FindStringSubmatch(line)
	if m == nil || levelOf(m[5]) == "" {
		return l, false
	}
	at, err := time.Parse("2006-01-02 15:04:05.000", m[1])
	if err != nil {
		return l, false
	}
	l = sandbox.LogLine{Time: at, Level: levelOf(m[5]), Text: m[6], Fields: map[string]string{"pid": m[2]}}
	if m[3] != "" {
		l.Fields["user"], l.Fields["application"] = m[3], m[4]
	}
	return l, true
}

// more is what a line that begins no entry adds to the one before it.
func more(line string) string {
	if m := postgresLine.FindStringSubmatch(line); m != nil {
		return m[5] + ": " + m[6]
	}
	return line
}
