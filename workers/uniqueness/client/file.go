package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// Defaults are what a request file may leave out.
type Defaults struct {
	Upper      *time.Time // timeWindowUpperBound; nil: each request must have one
	Originator string     // originatorX500Name
}

const (
	maxFile   = 256 << 20 // bytes
	maxFaults = 20        // told at once
)

// ParseFile reads batches of requests: a JSON array of arrays of objects
//
//	{"txId", "inputStates"?, "referenceStates"?, "numOutputStates"?, "timeWindowLowerBound"?, "timeWindowUpperBound",
//	 "originatorX500Name"?}
//
// with times in RFC 3339. Lists that are left out are empty; numOutputStates is 0 then. Only the form is checked here:
// hashes, counts and duplicates are the checker's to judge. name stands for the file in messages.
//
// The error is a [*FileError] with the faults and their places, unless r cannot be read.
func ParseFile(r io.Reader, name string, d Defaults) ([][]record.UniquenessCheckRequest, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read requests from %s: %w", name, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("read requests from %s: it has more than %d MiB", name, maxFile>>20)
	}
	p := newParser(data, d)
	batches := p.file()
	if len(p.faults) > 0 {
		return nil, &FileError{Name: name, Faults: p.faults, More: p.more}
	}
	return batches, nil
}

// WriteFile writes results as an array of arrays, in the order of the requests, indented.
func WriteFile(w io.Writer, results [][]record.UniquenessCheckResponse) error {
	if results == nil {
		results = [][]record.UniquenessCheckResponse{}
	}
	for i := range results {
		if results[i] == nil {
			results[i] = []record.UniquenessCheckResponse{}
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(results)
}

// FileError is what is wrong with a request file.
type FileError struct {
	Name   string
	Faults []Fault // in their order, the first 20
	More   int     // number of further faults
}

// Fault is one of them.
type Fault struct {
	Line, Column int // from 1; the column counts bytes
	Text         string
}

func (e *FileError) Error() string {
	lines := make([]string, len(e.Faults), len(e.Faults)+1)
	for i, f := range e.Faults {
		lines[i] = fmt.Sprintf("%s:%d:%d: %s", e.Name, f.Line, f.Column, f.Text)
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.More))
	}
	return strings.Join(lines, "\n")
}

// Hint shows the form.
func (e *FileError) Hint() string {
	return `a request file is an array of batches, such as [[{"txId": "SHA-256:00FF", "inputStates": [], "referenceStates": [], ` +
		`"numOutputStates": 1, "timeWindowUpperBound": "2030-01-01T00:00:00Z"}]]`
}

// parser walks the file by tokens, so that each fault has its place.
type parser struct {
	data   []byte
	dec    *json.Decoder
	d      Defaults
	faults []Fault
	more   int
}

func newParser(data []byte, d Defaults) *parser {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return &parser{data: data, dec: dec, d: d}
}

// errBroken ends a walk: a fault after which nothing more can be read has been noted.
var errBroken = errors.New("broken")

func (p *parser) file() (batches [][]record.UniquenessCheckRequest) {
	err := p.list("the file", "an array of batches", func() error {
		batch := []record.UniquenessCheckRequest{}
		where := fmt.Sprintf("batch %d", len(batches)+1)
		err := p.list(where, "an array of requests", func() error {
			r, err := p.request(fmt.Sprintf("%s, request %d", where, len(batch)+1))
			batch = append(batch, r)
			return err
		})
		batches = append(batches, batch)
		return err
	})
	if err != nil {
		return nil
	}
	at := p.next()
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		p.fault(at, "something follows the array of batches")
	}
	return batches
}

// next is the offset of what comes next.
func (p *parser) next() int64 {
	at := p.dec.InputOffset()
	for at < int64(len(p.data)) && bytes.IndexByte([]byte(" \t\r\n,:"), p.data[at]) >= 0 {
		at++
	}
	return at
}

func (p *parser) fault(at int64, format string, args ...any) {
	if len(p.faults) == maxFaults {
		p.more++
		return
	}
	before := p.data[:min(at, int64(len(p.data)))]
	p.faults = append(p.faults, Fault{
		Line: bytes.Count(before, []byte("\n")) + 1, Column: len(before) - bytes.LastIndexByte(before, '\n'),
		Text: fmt.Sprintf(format, args...),
	})
}

// broken notes that the text is no JSON, at the place where that shows.
func (p *parser) broken(err error) error {
	at := p.next()
	var value json.RawMessage
	again := json.NewDecoder(bytes.NewReader(p.data[at:])).Decode(&value)
	switch syntax, ok := errors.AsType[*json.SyntaxError](again); {
	case ok:
		at, err = at+syntax.Offset-1, syntax // the offset is behind the byte
	case again != nil: // nothing, or half a value
		at, err = int64(len(p.data)), errors.New("it ends too early")
	}
	p.fault(at, "not JSON: %v", err)
	return errBroken
}

// list walks an array. What is not one is noted as a fault and passed over.
func (p *parser) list(where, what string, item func() error) error {
	opened, err := p.open('[', where, what)
	if err != nil || !opened {
		return err
	}
	for p.dec.More() {
		if err := item(); err != nil {
			return err
		}
	}
	if _, err := p.dec.Token(); err != nil {
		return p.broken(err)
	}
	return nil
}

// open reads an opening bracket. Another value is noted as a fault and passed over.
func (p *parser) open(bracket json.Delim, where, what string) (bool, error) {
	at := p.next()
	if at < int64(len(p.data)) && p.data[at] == byte(bracket) {
		if _, err := p.dec.Token(); err != nil {
			return false, p.broken(err)
		}
		return true, nil
	}
	var other json.RawMessage
	if err := p.dec.Decode(&other); err != nil {
		return false, p.broken(err)
	}
	p.fault(at, "%s must be %s, not %s", where, what, kindOf(other))
	return false, nil
}

func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}
