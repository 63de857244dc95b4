// Command picture turns a captured screen of a terminal into an SVG: docs/images/topology.svg was made by
//
//	tmux capture-pane -e -p | go run ./tui/picture > docs/images/topology.svg
//
// Every run of text has its width written down, so that the picture is aligned with whatever monospaced font it is shown
// in. Nothing imports it.
package main

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Sizes of a cell and of what surrounds the screen, in pixels.
const (
	cellWidth, cellHeight = 8.4, 17
	around                = 14
	size                  = 14
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// style is how a run of text looks.
type style struct {
	fore, back string
	bold       bool
	reverse    bool
}

const (
	foreground = "#d5d9e2"
	background = "#14171d"
)

func run(in io.Reader, out io.Writer) error {
	var lines []string
	scan := bufio.NewScanner(in)
	const longest = 1 << 20
	scan.Buffer(nil, longest)
	widest := 0
	for scan.Scan() {
		lines = append(lines, scan.Text())
		widest = max(widest, ansi.StringWidth(scan.Text()))
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("read the screen: %w", err)
	}
	w, h := float64(widest)*cellWidth+2*around, float64(len(lines))*cellHeight+2*around
	b := bufio.NewWriter(out)
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f">`+"\n", w, h, w, h)
	fmt.Fprintf(b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", background)
	fmt.Fprintf(b, `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="%d" fill="%s">`+"\n", size, foreground)
	var now style
	for y, line := range lines {
		draw(b, line, y, &now)
	}
	fmt.Fprintln(b, "</g>\n</svg>")
	return b.Flush()
}

// draw draws a line; the style goes on to the next one.
func draw(b io.Writer, line string, y int, now *style) {
	x := 0
	for line != "" {
		if after, ok := strings.CutPrefix(line, "\x1b["); ok {
			end := strings.IndexFunc(after, func(r rune) bool { return r >= '@' && r <= '~' })
			if end < 0 {
				return
			}
			if after[end] == 'm' {
				now.apply(strings.Split(after[:end], ";"))
			}
			line = after[end+1:]
			continue
		}
		text := line
		if i := strings.IndexByte(line, '\x1b'); i == 0 {
			line = line[1:]
			continue
		} else if i > 0 {
			text = line[:i]
		}
		line = line[len(text):]
		now.write(b, text, x, y)
		x += ansi.StringWidth(text)
	}
}

// write draws a text at a cell. Blanks at its ends need no text, only their background.
func (s style) write(b io.Writer, text string, x, y int) {
	fore, back := s.fore, s.back
	if s.reverse {
		fore, back = orElse(back, background), orElse(fore, foreground)
	}
	left, top := around+float64(x)*cellWidth, around+float64(y)*cellHeight
	if back != "" {
		fmt.Fprintf(b, `<rect x="%.1f" y="%.0f" width="%.1f" height="%d" fill="%s"/>`+"\n", left, top, float64(ansi.StringWidth(text))*cellWidth, cellHeight, back)
	}
	look := ""
	if fore != "" {
		look += ` fill="` + fore + `"`
	}
	if s.bold {
		look += ` font-weight="bold"`
	}
	for _, word := range words(text) {
		from := left + float64(ansi.StringWidth(text[:word[0]]))*cellWidth
		part := text[word[0]:word[1]]
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" textLength="%.1f"%s>`, from, top+cellHeight*0.75, float64(ansi.StringWidth(part))*cellWidth, look)
		_ = xml.EscapeText(b, []byte(part)) // the writer keeps its error
		fmt.Fprintln(b, "</text>")
	}
}

// words are the parts of a text between two and more blanks, which a picture would show as one.
func words(text string) (parts [][2]int) {
	for at := 0; at < len(text); {
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], " "))
		if at == len(text) {
			break
		}
		end := len(text)
		if i := strings.Index(text[at:], "  "); i >= 0 {
			end = at + i
		}
		parts = append(parts, [2]int{at, at + len(strings.TrimRight(text[at:end], " "))})
		at = end
	}
	return parts
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// apply takes over a sequence of graphic renditions.
func (s *style) apply(codes []string) {
	for i := 0; i < len(codes); i++ {
		code, _ := strconv.Atoi(codes[i]) // empty is 0
		switch {
		case code == 0:
			*s = style{}
		case code == 1:
			s.bold = true
		case code == 7:
			s.reverse = true
		case code == 22:
			s.bold = false
		case code == 27:
			s.reverse = false
		case code == 39:
			s.fore = ""
		case code == 49:
			s.back = ""
		case (code == 38 || code == 48) && i+2 < len(codes) && codes[i+1] == "5":
			n, _ := strconv.ParseUint(codes[i+2], 10, 8)
			r, g, b, _ := ansi.IndexedColor(n).RGBA()
			s.colour(code, fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8))
			i += 2
		case (code == 38 || code == 48) && i+4 < len(codes) && codes[i+1] == "2":
			colour := "#"
			for _, part := range codes[i+2 : i+5] {
				n, _ := strconv.Atoi(part)
				colour += fmt.Sprintf("%02x", n)
			}
			s.colour(code, colour)
			i += 4
		}
	}
}

// colour sets the colour of the text (38) or behind it (48).
func (s *style) colour(code int, to string) {
	if code == 38 {
		s.fore = to
	} else {
		s.back = to
	}
}
