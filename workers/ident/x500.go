// Package ident has the names by which a ledger cluster knows its members: X.500 member names, holding
// identities and their short hashes. It imports nothing of Cordage; everything may import it.
package ident

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrName is wrapped by every error of [ParseName].
var ErrName = errors.New("not a valid member name")

// Name is an X.500 member name. Its text form is canonical: CN, OU, O, L, ST, C in this order, joined by ", ",
// absent attributes left out. Two names are the same member exactly if their text is equal, so Name may be a map key.
//
// Source: Corda 5.0, MemberX500Name (attributes allowed, their lengths, printing).
type Name struct {
	CommonName, OrganisationUnit, Organisation, Locality, State, Country string
}

// attributes in the order in which a name prints them.
func (n *Name) attributes() [6]struct {
	key   string
	value *string
	limit int
	must  bool
} {
	return [6]struct {
		key   string
		value *string
		limit int
		must  bool
	}{
		{"CN", &n.CommonName, 64, false},
		{"OU", &n.OrganisationUnit, 64, false},
		{"O", &n.Organisation, 128, true},
		{"L", &n.Locality, 64, true},
		{"ST", &n.State, 64, false},
		{"C", &n.Country, 64, true},
	}
}

// ParseName reads a member name: attributes in any order and any letter case of their keys, values trimmed, quoted or
// backslash-escaped where they hold special characters. O, L and C are required; CN, OU and ST are optional; nothing
// else, no repeats and no multi-valued parts. C is an upper-case ISO 3166 code or ZZ. Values are shorter than 64
// UTF-16 code units (O: 128). A key may also be its number (2.5.4.10, OID.2.5.4.10), and S is ST.
//
// Errors wrap [ErrName], quote s and say which attribute is at fault.
//
// Source: Corda 5.0, MemberX500Name, and the JDK's X500Principal, which reads and prints for it (RFC 2253 and 1779). A name
// that both accept is read alike, since its text is what holding identities hash; the JDK also takes values in DER (#...),
// NUL, bytes that are no UTF-8, and values that begin and end with a double quote, which it then loses.
func ParseName(s string) (Name, error) {
	fail := func(format string, args ...any) (Name, error) {
		return Name{}, fmt.Errorf("%w: %q: %s", ErrName, s, fmt.Sprintf(format, args...))
	}
	if len(s) > 4096 {
		return Name{}, fmt.Errorf("%w: %d bytes long, at most 4096 allowed", ErrName, len(s))
	}
	parts, err := splitRDNs(s)
	if err != nil {
		return fail("%v", err)
	}
	var n Name
	for _, part := range parts {
		found := false
		for _, a := range n.attributes() {
			if a.key != part.key {
				continue
			}
			found = true
			if *a.value != "" {
				return fail("%s is given twice", a.key)
			}
			if err := checkValue(part.value, a.limit); err != nil {
				return fail("%s %v", a.key, err)
			}
			*a.value = part.value
		}
		if !found {
			return fail("%s is not one of CN, OU, O, L, ST, C", part.key)
		}
	}
	for _, a := range n.attributes() {
		if a.must && *a.value == "" {
			return fail("%s is missing", a.key)
		}
	}
	if !isCountry(n.Country) {
		return fail("C must be an upper-case ISO 3166 country code or ZZ, not %q", n.Country)
	}
	return n, nil
}

// checkValue says what is wrong with the value of an attribute; limit is in UTF-16 code units, as Java counts.
func checkValue(v string, limit int) error {
	length := 0
	for _, r := range v {
		length += utf16.RuneLen(r)
	}
	switch {
	case v == "":
		return errors.New("is blank")
	case !utf8.ValidString(v):
		return errors.New("is not UTF-8")
	case strings.ContainsRune(v, 0):
		return errors.New("holds a NUL character")
	case length >= limit:
		return fmt.Errorf("is %d characters long, fewer than %d allowed", length, limit)
	case len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"':
		return errors.New("begins and ends with a double quote that is part of it")
	}
	return nil
}

// String is the canonical text of the name.
func (n Name) String() string {
	var b strings.Builder
	for _, a := range n.attributes() {
		if *a.value == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.key + "=" + quoteValue(*a.value))
	}
	return b.String()
}

// quoteValue puts a value in double quotes where its plain form would be read differently.
func quoteValue(v string) string {
	if !strings.ContainsAny(v, escapable) && !strings.Contains(v, "  ") {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

// escapable are the characters that may stand behind a backslash. Any byte may, as two hex digits.
const escapable = ",+=#;<>\"\\\n"

// keyOf gives the canonical spelling of an attribute's key.
func keyOf(text string) string {
	key := strings.ToUpper(trim(text))
	switch strings.TrimPrefix(key, "OID.") {
	case "2.5.4.3":
		return "CN"
	case "2.5.4.11":
		return "OU"
	case "2.5.4.10":
		return "O"
	case "2.5.4.7":
		return "L"
	case "2.5.4.8", "S":
		return "ST"
	case "2.5.4.6":
		return "C"
	}
	return key
}

// trim takes spaces and control characters off both ends, as Java does. Other kinds of space are part of a value.
func trim(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) }

type rdn struct{ key, value string }

// splitRDNs reads KEY=VALUE parts separated by comma or semicolon.
func splitRDNs(s string) ([]rdn, error) {
	var out []rdn
	if trim(s) == "" {
		return nil, errors.New("it is blank")
	}
	for rest := s; ; {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not of the form KEY=VALUE", trim(rest))
		}
		value, remainder, more, err := readValue(after)
		if err != nil {
			return nil, err
		}
		out = append(out, rdn{keyOf(key), value})
		if !more {
			return out, nil
		}
		rest = remainder
	}
}

// readValue reads one attribute value up to its separator; more tells whether a separator followed it.
func readValue(s string) (value, rest string, more bool, err error) {
	s = strings.TrimLeft(s, " \n")
	if strings.HasPrefix(s, `"`) {
		return readQuoted(s[1:])
	}
	if strings.HasPrefix(s, "#") {
		return "", "", false, errors.New(`a value that begins with # must be quoted`)
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '\\':
			escaped, width, err := readEscape(s[i+1:], escapable+" ")
			if err != nil {
				return "", "", false, err
			}
			b.WriteByte(escaped)
			i += 1 + width
			continue
		case ',', ';':
			return trim(b.String()), s[i+1:], true, nil
		case '+':
			return "", "", false, errors.New("multi-valued parts (+) are not allowed")
		case '"', '<', '>':
			return "", "", false, fmt.Errorf("the character %q must be quoted", c)
		default:
			b.WriteByte(c)
		}
		i++
	}
	return trim(b.String()), "", false, nil
}

// readQuoted reads the rest of a value after its opening quote.
func readQuoted(s string) (value, rest string, more bool, err error) {
	var b strings.Builder
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '\\':
			escaped, width, err := readEscape(s[i+1:], escapable)
			if err != nil {
				return "", "", false, err
			}
			b.WriteByte(escaped)
			i += 1 + width
			continue
		case '"':
			tail := strings.TrimLeft(s[i+1:], " \n")
			if tail == "" {
				return trim(b.String()), "", false, nil
			}
			if tail[0] != ',' && tail[0] != ';' {
				return "", "", false, fmt.Errorf("%q follows a closing quote", tail)
			}
			return trim(b.String()), tail[1:], true, nil
		default:
			b.WriteByte(c)
		}
		i++
	}
	return "", "", false, errors.New("a quote is not closed")
}

// readEscape reads what follows a backslash: one of allowed, or a byte of UTF-8 as two hex digits. width is how much of s
// it takes.
func readEscape(s, allowed string) (escaped byte, width int, err error) {
	if s == "" {
		return 0, 0, errors.New("it ends in a backslash")
	}
	if strings.IndexByte(allowed, s[0]) >= 0 {
		return s[0], 1, nil
	}
	pair, err := hex.DecodeString(s[:min(2, len(s))])
	if err != nil {
		return 0, 0, fmt.Errorf("a backslash must stand before one of %q or two hex digits", allowed)
	}
	return pair[0], 2, nil
}
