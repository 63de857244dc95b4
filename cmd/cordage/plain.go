package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

// plain passes text on to a terminal without what the terminal would obey: names of CPIs and members, lines of logs and
// answers of the cluster come from elsewhere, and may hold sequences that move the cursor, set the title or hide text. Line
// breaks and tabs stay; every other control character, change of direction and byte that is no UTF-8 is written as JSON
// escapes it, so that JSON stays JSON. A character may be split between two writes; flush writes what is left of one.
type plain struct {
	w    io.Writer
	rest []byte // the beginning of a character
}

func (p *plain) Write(text []byte) (int, error) {
	all := slices.Concat(p.rest, text)
	out, rest := visible(all, false)
	p.rest = append([]byte(nil), rest...)
	if _, err := io.WriteString(p.w, out); err != nil {
		return 0, err
	}
	return len(text), nil
}

func (p *plain) flush() error {
	out, _ := visible(p.rest, true)
	p.rest = nil
	_, err := io.WriteString(p.w, out)
	return err
}

// visible gives text without what a terminal would obey, and the beginning of a character at its end unless that is all.
func visible(text []byte, all bool) (out string, rest []byte) {
	var b strings.Builder
	for len(text) > 0 {
		if !all && (!utf8.FullRune(text) || string(text) == "\r") {
			return b.String(), text
		}
		if rest, ok := bytes.CutPrefix(text, []byte("\r\n")); ok { // as in PEM texts
			b.WriteString("\r\n")
			text = rest
			continue
		}
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\u%04x`, text[0])
		case r != '\n' && r != '\t' && screen.Obeyed(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.Write(text[:n])
		}
		text = text[n:]
	}
	return b.String(), nil
}

// shown is a text as plain would write it.
func shown(text string) string {
	out, _ := visible([]byte(text), true)
	return out
}

// cell is a text as shown, in one line: a line break in a name must not look like one more row.
func cell(text string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(shown(text))
}
