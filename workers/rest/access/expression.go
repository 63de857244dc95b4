package access

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
)

// maxExpression is the length of the column that permissions are stored in.
const maxExpression = 1024

// Compile reads a permission's expression: it must match a whole action, ignoring case.
//
// Expressions are Java's. Those that mean something else in Go, or nothing, are refused rather than read wrongly:
// look-around, back references, possessive quantifiers, intersections and nested classes inside brackets.
func Compile(expression string) (*regexp.Regexp, error) {
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("expression is %d bytes long, at most %d allowed", len(expression), maxExpression)
	}
	if err := refuseJavaOnly(expression); err != nil {
		return nil, fmt.Errorf("expression %q: %w", expression, err)
	}
	// Compiled by itself first: it must not be able to close the group that is put around it.
	if _, err := regexp.Compile(expression); err != nil {
		return nil, fmt.Errorf("expression %q: %w", expression, err)
	}
	re, err := regexp.Compile(`(?i)\A(?:` + expression + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", expression, err)
	}
	return re, nil
}

// refuseJavaOnly finds what Go would read as something else without complaint.
func refuseJavaOnly(expression string) error {
	inClass, atStart := false, false
	for i := 0; i < len(expression); i++ {
		c := expression[i]
		switch {
		case c == '\\' && i+1 < len(expression):
			if expression[i+1] == 'Q' { // quoted up to \E
				return errors.New(`\Q is not supported: escape the characters one by one`)
			}
			i++
			atStart = false
		case !inClass && c == '[':
			inClass, atStart = true, true
		case inClass && c == '^' && atStart: // still at the start
		case inClass && c == ']' && atStart:
			return errors.New("a class that begins with ] is not supported: escape it")
		case inClass && c == ']':
			inClass = false
		case inClass && c == '[':
			return errors.New("classes inside a class are not supported")
		case inClass && c == '&' && i+1 < len(expression) && expression[i+1] == '&':
			return errors.New("intersections of classes (&&) are not supported")
		default:
			atStart = false
		}
	}
	return nil
}

// expressions keeps compiled expressions, so that each is compiled once.
type expressions struct {
	mu    sync.RWMutex
	known map[string]compiled
}

type compiled struct {
	re  *regexp.Regexp
	err error
}

// maxKnown bounds the memory that expressions no longer in use take.
const maxKnown = 4096

func newExpressions() *expressions { return &expressions{known: map[string]compiled{}} }

func (e *expressions) get(expression string) (*regexp.Regexp, error) {
	e.mu.RLock()
	c, ok := e.known[expression]
	e.mu.RUnlock()
	if ok {
		return c.re, c.err
	}
	c.re, c.err = Compile(expression)
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.known) >= maxKnown {
		clear(e.known)
	}
	e.known[expression] = c
	return c.re, c.err
}
