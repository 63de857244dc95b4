package ident_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/workers/ident"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"any order and case":         {"c=GB,l=London,o=Alice", "O=Alice, L=London, C=GB"},
		"all attributes":             {"C=US, ST=New York, L=New York, O=Acme, OU=Ops, CN=Bob", "CN=Bob, OU=Ops, O=Acme, L=New York, ST=New York, C=US"},
		"a comma is quoted":          {`O="Acme, Inc", L=Leeds, C=GB`, `O="Acme, Inc", L=Leeds, C=GB`},
		"an escaped comma":           {`O=Acme\, Inc, L=Leeds, C=GB`, `O="Acme, Inc", L=Leeds, C=GB`},
		"quote and backslash":        {`O="a\"b\\c", L=Leeds, C=GB`, `O="a\"b\\c", L=Leeds, C=GB`},
		"semicolons":                 {"O=A;L=B;C=ZZ", "O=A, L=B, C=ZZ"},
		"values are trimmed":         {"O=  A  , L= B , C=ZZ", "O=A, L=B, C=ZZ"},
		"unicode":                    {"O=Ångström, L=Malmö, C=SE", "O=Ångström, L=Malmö, C=SE"},
		"double spaces are quoted":   {`O="A  B", L=B, C=ZZ`, `O="A  B", L=B, C=ZZ`},
		"127 characters in O are ok": {"O=" + strings.Repeat("x", 127) + ", L=B, C=ZZ", "O=" + strings.Repeat("x", 127) + ", L=B, C=ZZ"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := ident.ParseName(tc.in)
			if err != nil || n.String() != tc.want {
				t.Fatalf("ParseName(%q) = %q, %v; want %q", tc.in, n, err, tc.want)
			}
			again, err := ident.ParseName(n.String())
			if err != nil || again != n {
				t.Errorf("ParseName(%q) = %+v, %v; want the same name %+v", n, again, err, n)
			}
		})
	}
}

func TestParseNameRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"blank":            {" ", "blank"},
		"no country":       {"O=A, L=B", "C is missing"},
		"no organisation":  {"L=B, C=GB", "O is missing"},
		"lower country":    {"O=A, L=B, C=gb", "upper-case ISO"},
		"unknown country":  {"O=A, L=B, C=XQ", "upper-case ISO"},
		"unknown key":      {"O=A, L=B, C=GB, DC=x", "DC is not one of"},
		"twice":            {"O=A, O=B, L=B, C=GB", "given twice"},
		"multi-valued":     {"O=A+OU=B, L=B, C=GB", "multi-valued"},
		"blank value":      {"O=, L=B, C=GB", "O is blank"},
		"too long":         {"O=A, L=" + strings.Repeat("x", 64) + ", C=GB", "fewer than 64"},
		"open quote":       {`O="A, L=B, C=GB`, "quote is not closed"},
		"trailing comma":   {"O=A, L=B, C=GB,", "KEY=VALUE"},
		"no key":           {"Alice", "KEY=VALUE"},
		"unquoted special": {"O=A<B, L=B, C=GB", "must be quoted"},
		"a value in DER":   {"O=#0C024142, L=B, C=GB", "begins with # must be quoted"},
		"odd escape":       {`O=A\x, L=B, C=GB`, "two hex digits"},
		"half an escape":   {`O=A\2, L=B, C=GB`, "two hex digits"},
		"space in quotes":  {`O="A\ B", L=B, C=GB`, "two hex digits"},
		"not UTF-8":        {`O=A\E2B, L=B, C=GB`, "O is not UTF-8"},
		"escaped NUL":      {`O=A\00B, L=B, C=GB`, "NUL"},
		"blank by escapes": {`O=\20\20, L=B, C=GB`, "O is blank"},
		"quotes as value":  {`O="\"A\"", L=B, C=GB`, "double quote"},
		"too long in Java": {"O=A, L=" + strings.Repeat("😀", 32) + ", C=GB", "L is 64 characters long"},
		"key by number":    {"2.5.4.10=A, O=B, L=B, C=GB", "O is given twice"},
		"other number":     {"2.5.4.17=1, O=B, L=B, C=GB", "2.5.4.17 is not one of"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ident.ParseName(tc.in)
			if !errors.Is(err, ident.ErrName) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("ParseName(%q) error = %v; want ErrName saying %q", tc.in, err, tc.want)
			}
		})
	}
}

// What Corda 5.0.0 makes of these names on a JDK 17: their text is what holding identities hash, so it must be the same.
func TestNamesAreReadAsInCorda(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`O=A\2CB,L=B,C=GB`:                 `O="A,B", L=B, C=GB`,
		`O="A\2CB",L=B,C=GB`:               `O="A,B", L=B, C=GB`,
		`O=A\C3\A9B,L=B,C=GB`:              `O=AéB, L=B, C=GB`,
		`O=A\c3\a9,L=B,C=GB`:               `O=Aé, L=B, C=GB`,
		`O=\20A\20\20,L=B,C=GB`:            `O=A, L=B, C=GB`,
		`O=A\0AB,L=B,C=GB`:                 "O=\"A\nB\", L=B, C=GB",
		"O=A\nB,L=B,C=GB":                  "O=\"A\nB\", L=B, C=GB",
		"O=A\tB,L=B,C=GB":                  "O=A\tB, L=B, C=GB",
		"O=A,\nL=B,\nC=GB":                 "O=A, L=B, C=GB",
		`O=A=B,L=B,C=GB`:                   `O="A=B", L=B, C=GB`,
		`O==A,L=B,C=GB`:                    `O="=A", L=B, C=GB`,
		`CN=a/emailAddress=x,O=A,L=B,C=GB`: `CN="a/emailAddress=x", O=A, L=B, C=GB`,
		`O=A#B,L=B,C=GB`:                   `O="A#B", L=B, C=GB`,
		`O="#A",L=B,C=GB`:                  `O="#A", L=B, C=GB`,
		`O=\#A,L=B,C=GB`:                   `O="#A", L=B, C=GB`,
		`O=\\,L=B,C=GB`:                    `O="\\", L=B, C=GB`,
		`O=a\"b,L=B,C=GB`:                  `O="a\"b", L=B, C=GB`,
		`O="a\;b",L=B,C=GB`:                `O="a;b", L=B, C=GB`,
		`O=A,L=B,C=GB\ `:                   `O=A, L=B, C=GB`,
		"O=\u00a0A\u00a0,L=B,C=GB":         "O=\u00a0A\u00a0, L=B, C=GB",
		"O=\u2003,L=B,C=GB":                "O=\u2003, L=B, C=GB",
		`S=X,O=A,L=B,C=GB`:                 `O=A, L=B, ST=X, C=GB`,
		`2.5.4.10=A,L=B,C=GB`:              `O=A, L=B, C=GB`,
		`oid.2.5.4.3=X,O=A,L=B,C=GB`:       `CN=X, O=A, L=B, C=GB`,
		`O=A,L=B,C="GB"`:                   `O=A, L=B, C=GB`,
		`O=A.L=B, L=C, C=XK`:               ``, // Kosovo's code is not one of ISO's
	} {
		n, err := ident.ParseName(in)
		if (err == nil) != (want != "") || err == nil && n.String() != want {
			t.Errorf("ParseName(%q) = %q, %v; want %q", in, n, err, want)
		}
	}
}

// The vectors are Corda's own.
func TestShortHash(t *testing.T) {
	t.Parallel()
	for want, id := range map[ident.ShortHash]ident.HoldingIdentity{
		"F88920990A10": {X500Name: "CN=Alice, OU=Application, O=R3, L=London, C=GB", GroupID: "8c5d6948-e17b-44e7-9d1c-fa4a3f667cad"},
		"226D5D9460A4": {X500Name: "O=Alice, L=London, C=GB", GroupID: "7c5d6948-e17b-44e7-9d1c-fa4a3f667cad"},
	} {
		if got := id.ShortHash(); got != want {
			t.Errorf("%+v: short hash %s, want %s", id, got, want)
		}
	}
	if h, err := ident.ParseShortHash("f88920990a10"); err != nil || h != "F88920990A10" || h.Lower() != "f88920990a10" {
		t.Errorf("ParseShortHash = %q, %v", h, err)
	}
	for _, bad := range []string{"", "F88920990A1", "F88920990A100", "F88920990A1G"} {
		if _, err := ident.ParseShortHash(bad); !errors.Is(err, ident.ErrShortHash) {
			t.Errorf("ParseShortHash(%q) error = %v, want ErrShortHash", bad, err)
		}
	}
}

// FuzzParseName: what parses prints a text that parses to the same name.
func FuzzParseName(f *testing.F) {
	f.Add("O=Alice, L=London, C=GB")
	f.Add(`O="a\"b\\c,", L=Leeds, C=GB`)
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ident.ParseName(s)
		if err != nil {
			return
		}
		again, err := ident.ParseName(n.String())
		if err != nil || again != n {
			t.Errorf("%q → %q → %+v, %v; want %+v", s, n.String(), again, err, n)
		}
	})
}
