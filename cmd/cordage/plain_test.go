package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// hostile is a name that sets the terminal's title, colours, hides what follows, and looks like a row of its own.
const hostile = "cpi\x1b]0;title\x07\x1b[8m\u009b31m\u202egnp\r\nforged  1.0\x7f\xff"

// obeyed finds what a terminal would take as an order; whole lines and tabs are none.
func obeyed(text string) bool {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\ufffd'
	})
}

// TestNothingPrintedIsObeyed has names from elsewhere in tables, sentences, JSON, notes and errors.
func TestNothingPrintedIsObeyed(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	a := &app{out: &out, err: &errOut}
	row := func(s string) []string { return []string{s, "1.0"} }
	if err := answerList(a, []string{hostile}, []string{"NAME", "VERSION"}, row); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 2 {
		t.Errorf("a table of one name has %d lines:\n%q", lines, out.String())
	}
	sentence := func(w io.Writer) error { _, err := io.WriteString(w, hostile+" is uploaded\n"); return err }
	if err := a.answer(nil, sentence); err != nil {
		t.Fatal(err)
	}
	a.note("about %s", hostile)
	a.report(t.Context(), &cobra.Command{}, &failedError{hostile, hostile})
	for name, text := range map[string]string{"standard output": out.String(), "standard error": errOut.String()} {
		if obeyed(text) {
			t.Errorf("%s has what a terminal obeys: %q", name, text)
		}
	}
	if !strings.Contains(errOut.String(), `cpi\u001b]0;title\u0007`) {
		t.Errorf("what was in a name cannot be seen: %q", errOut.String())
	}

	out.Reset()
	a.json = true
	if err := a.answer(hostile, nil); err != nil {
		t.Fatal(err)
	}
	var back string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back != strings.ToValidUTF8(hostile, "\ufffd") {
		t.Errorf("JSON of the name reads %q, %v", back, err)
	}
	if strings.ContainsAny(out.String(), "\u009b\u202e") {
		t.Errorf("JSON has what a terminal obeys: %q", out.String())
	}
}

// TestPlainAtEverySplit writes a text in two pieces, as logs come.
func TestPlainAtEverySplit(t *testing.T) {
	t.Parallel()
	const text = "ä→😀\tx\r\ny\u009b1m\x1b[2J\xc2"
	const want = "ä→😀\tx\r\ny" + `\u009b1m\u001b[2J\u00c2`
	for i := range len(text) + 1 {
		var out bytes.Buffer
		p := &plain{w: &out}
		_, err1 := io.WriteString(p, text[:i])
		_, err2 := io.WriteString(p, text[i:])
		if err := errors.Join(err1, err2, p.flush()); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("split at %d: %q, want %q", i, out.String(), want)
		}
	}
}
