package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// answer writes v as JSON, or what text prints.
func (a *app) answer(v any, text func(w io.Writer) error) error {
	out := &plain{w: a.out}
	if !a.json {
		return errors.Join(text(out), out.flush())
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// answerList writes values as JSON, or as a table with a row for each of them.
func answerList[T any](a *app, values []T, head []string, row func(T) []string) error {
	return a.answer(values, func(w io.Writer) error {
		rows := [][]string{head}
		for _, v := range values {
			rows = append(rows, row(v))
		}
		return table(w, rows)
	})
}

// note tells a person something that is no answer.
func (a *app) note(format string, args ...any) {
	fmt.Fprintln(a.err, shown(fmt.Sprintf(format, args...)))
}

// nameFlag is what a command that is shown to people needs to mean this sandbox.
func nameFlag(name string) string {
	if name == sandbox.DefaultName {
		return ""
	}
	return " --name " + name
}

// table prints rows in columns; the first is the heading.
func table(w io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, text := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell(text)))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, text := range row {
			text = cell(text)
			b.WriteString(text)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+2))
			}
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// isTerminal tells whether w shows to a person, and how wide it is.
func isTerminal(w io.Writer) (width int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 20 {
		width = 80
	}
	return width, true
}

// colours tells whether w may be coloured. No meaning is carried by colour alone.
func colours(w io.Writer) bool {
	_, ok := isTerminal(w)
	return ok && os.Getenv("NO_COLOR") == ""
}

// seconds prints a duration as the terminal UI does; nothing for one that is not known.
func seconds(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return screen.Duration(d)
}

// size prints bytes for people.
func size(n int64) string {
	switch {
	case n <= 0:
		return ""
	case n < 1<<20:
		return fmt.Sprintf("%d KB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
}
