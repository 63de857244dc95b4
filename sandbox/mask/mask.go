// Package mask takes secrets out of what people are shown of a sandbox: records of topics, rows, configurations. It knows
// secrets by the names under which they are kept, so a new kind of secret needs a name that says what it is. Workers must
// not import it: what they log has no secrets in the first place.
package mask

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/cordage-sandbox/cordage/workers/keys"
)

// Shown stands in the place of a secret.
const Shown = keys.Mask

// secret are the names of what must not be shown: columns, members of JSON objects, settings. In such a name words are
// written together, with underscores, dots or capitals.
var secret = regexp.MustCompile(`(?i)(pass(word|phrase)|secret|^salt$|salt_?value|private_?(signing_?)?key|^key_?material$|signing_?key_?material|` +
	`(^|[._]|access|auth)token(_?id)?$|credential|authorization$)`) //nolint:gochecknoglobals // a constant

// open are names of the kind that hold no secret.
var open = regexp.MustCompile(`(?i)(expiry|expires|policy|secrets?_?service|count|length)`) //nolint:gochecknoglobals // a constant

// Secret tells whether what has this name is not to be shown.
func Secret(name string) bool { return secret.MatchString(name) && !open.MatchString(name) }

// connection are members that hold the connection to a database as text.
var connection = regexp.MustCompile(`(?i)(ddl|dml)connection$`) //nolint:gochecknoglobals // a constant

// inText finds secrets in text that is no JSON: in URLs, and PEM texts of private keys.
var inText = regexp.MustCompile(`(?i)((?:password|secret|token)=)[^&;\s"]+`) //nolint:gochecknoglobals // a constant

// ErrNoJSON says that a text is no JSON value.
var ErrNoJSON = errors.New("no JSON value")

// maxDepth bounds nesting, of hostile texts.
const maxDepth = 64

// JSON gives a JSON value with secrets masked, in one line, its members in their order. Strings that hold JSON objects
// themselves are masked too. Strings of more than cut bytes are cut and say so (0: none are); cutOff tells that some were.
// Errors wrap [ErrNoJSON].
func JSON(value []byte, cut int) (masked json.RawMessage, cutOff bool, err error) {
	w := writer{cut: cut}
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := w.value(d, "", 0); err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrNoJSON, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, false, fmt.Errorf("%w: there is something after it", ErrNoJSON)
	}
	return w.out.Bytes(), w.cutOff, nil
}

// Text masks a text: as [JSON] if it is an object or array in JSON, otherwise what in it looks like a secret.
func Text(s string) string {
	if t := strings.TrimSpace(s); strings.HasPrefix(t, "{") || strings.HasPrefix(t, "[") {
		if masked, _, err := JSON([]byte(t), 0); err == nil {
			return string(masked)
		}
	}
	if strings.Contains(s, "PRIVATE KEY-----") {
		return Shown
	}
	return inText.ReplaceAllString(s, "${1}"+Shown)
}

// writer writes a value again, token by token.
type writer struct {
	out    bytes.Buffer
	cut    int
	cutOff bool
}

// value writes the next value of d, which has a name if it is a member.
func (w *writer) value(d *json.Decoder, name string, depth int) error {
	if depth > maxDepth {
		return errors.New("it is nested too deep")
	}
	token, err := d.Token()
	if err != nil {
		return err
	}
	hide := Secret(name)
	switch t := token.(type) {
	case json.Delim:
		if hide {
			w.string(Shown)
			return skip(d)
		}
		return w.list(d, t, name, depth)
	case string:
		switch {
		case t == "":
		case hide:
			t = Shown
		case connection.MatchString(name):
			if masked, _, err := JSON([]byte(t), 0); err == nil {
				t = string(masked)
			} else {
				t = Shown
			}
		default:
			t = Text(t)
		}
		w.string(t)
		return nil
	case nil:
		w.out.WriteString("null")
		return nil
	default: // a number or a truth value
		if hide {
			w.string(Shown)
			return nil
		}
		fmt.Fprint(&w.out, t)
		return nil
	}
}

// list writes an object or an array, whose opening has been read.
func (w *writer) list(d *json.Decoder, opening json.Delim, name string, depth int) error {
	w.out.WriteByte(byte(opening)) //nolint:gosec // a bracket
	for first := true; d.More(); first = false {
		if !first {
			w.out.WriteByte(',')
		}
		if opening == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			name, _ = key.(string)
			w.string(name)
			w.out.WriteByte(':')
		}
		if err := w.value(d, name, depth+1); err != nil {
			return err
		}
	}
	closing, err := d.Token()
	if err != nil {
		return err
	}
	delim, _ := closing.(json.Delim)
	w.out.WriteByte(byte(delim)) //nolint:gosec // a bracket
	return nil
}

func (w *writer) string(s string) {
	if w.cut > 0 && len(s) > w.cut {
		w.cutOff = true
		s = Cut(s, w.cut)
	}
	text, _ := json.Marshal(s) // a string can always be written
	w.out.Write(text)
}

// Cut gives the beginning of a text of more than n bytes, and says how many bytes it has.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	end := n
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:end], len(s))
}

// skip reads to the end of the object or array that has been opened.
func skip(d *json.Decoder) error {
	for depth := 1; depth > 0; {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}
