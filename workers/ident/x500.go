// Package ident has the names by which a ledger cluster knows its members: X.500 member names, holding
// identities and their short hashes. It imports nothing of Cordage; everything may import it.
package ident

import (
	"errors"
	"fmt"
	"strings"
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
// characters (O: 128).
//
// Errors wrap [ErrName], quote s and say which attribute is at fault.
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
			if !strings.EqualFold(a.key, part.key) {
				continue
			}
			found = true
			switch {
			case *a.value != "":
				return fail("%s is given twice", a.key)
			case part.value == "":
				return fail("%s is blank", a.key)
			case strings.ContainsRune(part.value, 0):
				return fail("%s holds a NUL character", a.key)
			case len([]rune(part.value)) >= a.limit:
				return fail("%s is %d characters long, fewer than %d allowed", a.key, len([]rune(part.value)), a.limit)
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
	if !strings.ContainsAny(v, `,+=#;<>"\`) && !strings.Contains(v, "  ") {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

type rdn struct{ key, value string }

// splitRDNs reads KEY=VALUE parts separated by comma or semicolon.
func splitRDNs(s string) ([]rdn, error) {
	var out []rdn
	rest := strings.TrimSpace(s)
	if rest == "" {
		return nil, errors.New("it is blank")
	}
	for {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not of the form KEY=VALUE", strings.TrimSpace(rest))
		}
		value, remainder, more, err := readValue(after)
		if err != nil {
			return nil, err
		}
		out = append(out, rdn{strings.ToUpper(strings.TrimSpace(key)), value})
		if !more {
			return out, nil
		}
		rest = remainder
	}
}

// readValue reads one attribute value up to its separator; more tells whether a separator followed it.
func readValue(s string) (value, rest string, more bool, err error) {
	s = strings.TrimLeft(s, " ")
	if strings.HasPrefix(s, `"`) {
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch {
			case s[i] == '\\' && i+1 < len(s):
				i++
				b.WriteByte(s[i])
			case s[i] == '"':
				tail := strings.TrimLeft(s[i+1:], " ")
				if tail == "" {
					return strings.TrimSpace(b.String()), "", false, nil
				}
				if tail[0] != ',' && tail[0] != ';' {
					return "", "", false, fmt.Errorf("%q follows a closing quote", tail)
				}
				return strings.TrimSpace(b.String()), tail[1:], true, nil
			default:
				b.WriteByte(s[i])
			}
		}
		return "", "", false, errors.New("a quote is not closed")
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\':
			if i+1 == len(s) {
				return "", "", false, errors.New("it ends in a backslash")
			}
			i++
			b.WriteByte(s[i])
		case ',', ';':
			return strings.TrimSpace(b.String()), s[i+1:], true, nil
		case '+':
			return "", "", false, errors.New("multi-valued parts (+) are not allowed")
		case '=', '"', '<', '>':
			return "", "", false, fmt.Errorf("the character %q must be quoted", c)
		default:
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(b.String()), "", false, nil
}
