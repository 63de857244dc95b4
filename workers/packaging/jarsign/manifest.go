package jarsign

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxLine      = 512 // bytes of one line with its break, as the JDK's reader allows
	maxWrittenLn = 72  // bytes of one written line without its break
	maxNameLen   = 70  // bytes of an attribute's name
)

// Attribute is one "Name: value" header.
type Attribute struct{ Name, Value string }

// Attributes are the headers of one section, in order. Names differ not only in letter case.
type Attributes []Attribute

// Get finds an attribute by its name in any letter case.
func (a Attributes) Get(name string) (string, bool) {
	for _, at := range a {
		if strings.EqualFold(at.Name, name) {
			return at.Value, true
		}
	}
	return "", false
}

// Value is Get, with "" for an absent attribute.
func (a Attributes) Value(name string) string {
	v, _ := a.Get(name)
	return v
}

// Section is a named part of a manifest: what it says of one entry of the jar.
type Section struct {
	Name  string
	Attrs Attributes
	raw   []byte // its bytes with the blank line that ends it: what a signature file digests
}

// Manifest is a parsed META-INF/MANIFEST.MF or signature file, with the bytes it was made from.
type Manifest struct {
	Main     Attributes
	Sections []Section

	raw     []byte
	mainRaw []byte
	byName  map[string]int
}

// Section finds the section of an entry.
func (m *Manifest) Section(name string) (*Section, bool) {
	i, ok := m.byName[name]
	if !ok {
		return nil, false
	}
	return &m.Sections[i], true
}

// ParseManifest reads a manifest: lines of at most 512 bytes ending in LF, CR or CRLF, continued by lines that begin
// with a blank. What readers could take in two ways is refused: an attribute or section that is there twice, text that
// is not UTF-8, a last line without its break.
//
// Source: JAR File Specification, "Notes on Manifest and Signature Files"; the JDK's limits.
func ParseManifest(raw []byte) (*Manifest, error) {
	p := &manifestParser{rest: raw, m: &Manifest{raw: raw, byName: map[string]int{}}}
	if err := p.run(); err != nil {
		return nil, fmt.Errorf("line %d: %w", p.line, err)
	}
	return p.m, nil
}

type manifestParser struct {
	rest []byte
	line int
	m    *Manifest
}

func (p *manifestParser) run() error {
	attrs, raw, err := p.section()
	if err != nil {
		return err
	}
	p.m.Main, p.m.mainRaw = attrs, raw
	for len(p.rest) > 0 {
		attrs, raw, err := p.section()
		if err != nil {
			return err
		}
		if len(attrs) == 0 {
			continue // a further blank line between sections
		}
		if !strings.EqualFold(attrs[0].Name, "Name") {
			return fmt.Errorf("a section begins with %q, not with Name", attrs[0].Name)
		}
		name := attrs[0].Value
		if _, twice := p.m.byName[name]; twice {
			return fmt.Errorf("there is a second section for %q", name)
		}
		p.m.byName[name] = len(p.m.Sections)
		p.m.Sections = append(p.m.Sections, Section{Name: name, Attrs: attrs[1:], raw: raw})
	}
	return nil
}

// section reads up to and with the next blank line.
func (p *manifestParser) section() (attrs Attributes, raw []byte, err error) {
	start := p.rest
	seen := map[string]bool{}
	for len(p.rest) > 0 {
		text, err := p.logicalLine()
		if err != nil {
			return nil, nil, err
		}
		if text == "" {
			break
		}
		at, err := parseAttribute(text)
		if err != nil {
			return nil, nil, err
		}
		key := strings.ToLower(at.Name)
		if seen[key] {
			return nil, nil, fmt.Errorf("attribute %s is there twice", at.Name)
		}
		seen[key] = true
		attrs = append(attrs, at)
	}
	return attrs, start[:len(start)-len(p.rest)], nil
}

// logicalLine joins a line and its continuations. A blank line gives "".
func (p *manifestParser) logicalLine() (string, error) {
	text, err := p.physicalLine()
	if err != nil || len(text) == 0 {
		return "", err
	}
	if text[0] == ' ' {
		return "", fmt.Errorf("a continuation with nothing before it")
	}
	joined := text
	for cloned := false; len(p.rest) > 0 && p.rest[0] == ' '; {
		more, err := p.physicalLine()
		if err != nil {
			return "", err
		}
		if !cloned {
			joined, cloned = slices.Clone(joined), true
		}
		joined = append(joined, more[1:]...)
	}
	return string(joined), nil
}

func (p *manifestParser) physicalLine() ([]byte, error) {
	p.line++
	i := bytes.IndexAny(p.rest[:min(len(p.rest), maxLine)], "\r\n")
	if i < 0 {
		if len(p.rest) >= maxLine {
			return nil, fmt.Errorf("it is longer than %d bytes", maxLine)
		}
		return nil, fmt.Errorf("the file ends without a line break")
	}
	text, n := p.rest[:i], i+1
	if p.rest[i] == '\r' && n < len(p.rest) && p.rest[n] == '\n' {
		n++
	}
	p.rest = p.rest[n:]
	return text, nil
}

func parseAttribute(text string) (Attribute, error) {
	name, value, ok := strings.Cut(text, ": ")
	if !ok {
		return Attribute{}, fmt.Errorf("%q is not of the form \"Name: value\"", shorten(text))
	}
	if !isAttributeName(name) {
		return Attribute{}, fmt.Errorf("%q is not an attribute name (1 to 70 letters, digits, - and _)", shorten(name))
	}
	if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
		return Attribute{}, fmt.Errorf("the value of %s is not UTF-8 text", name)
	}
	return Attribute{Name: name, Value: value}, nil
}

func isAttributeName(s string) bool {
	if s == "" || len(s) > maxNameLen {
		return false
	}
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func shorten(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// appendAttribute writes one header, folded after 72 bytes.
func appendAttribute(b []byte, name, value string) []byte {
	line := name + ": " + value
	for len(line) > maxWrittenLn {
		b = append(b, line[:maxWrittenLn]...)
		b = append(b, "\r\n"...)
		line = " " + line[maxWrittenLn:]
	}
	return append(append(b, line...), "\r\n"...)
}

// appendSection writes attributes and the blank line behind them.
func appendSection(b []byte, attrs Attributes) []byte {
	for _, a := range attrs {
		b = appendAttribute(b, a.Name, a.Value)
	}
	return append(b, "\r\n"...)
}
