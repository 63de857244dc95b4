package uniqueness

import (
	"errors"
	"strings"
	"testing"
)

func TestParseStateRef(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]StateRef{
		"SHA-256:00ff:7":         {TxID{"SHA-256", "\x00\xff"}, 7},
		"SHA-256:00FF:7":         {TxID{"SHA-256", "\x00\xff"}, 7},
		"SHA-256D:aB:+07":        {TxID{"SHA-256D", "\xab"}, 7},
		"x:ab:-1":                {TxID{"x", "\xab"}, -1},
		"x:ab:2147483647":        {TxID{"x", "\xab"}, 2147483647},
		"x:ab:-2147483648":       {TxID{"x", "\xab"}, -2147483648},
		"an/odd.name_[1]:ab:0":   {TxID{"an/odd.name_[1]", "\xab"}, 0},
		"x:" + long("AB") + ":0": {TxID{"x", long("\xab")}, 0},
	} {
		got, err := ParseStateRef(text)
		if err != nil || got != want {
			t.Errorf("ParseStateRef(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", ":", "::", ":::", "x", "x:ab", "x:ab:", "x:ab:1.0", "x:ab:2147483648", "x:ab:-2147483649", "x:a:0", "x:zz:0",
		"x::0", ":ab:0", "x y:ab:0", "x:ab:cd:0", "x:ab: 1", "x:0xab:1", "x:ab:1_0", "x:ab:0x1", "\x00:ab:0", "ü:ab:0",
	} {
		if got, err := ParseStateRef(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("ParseStateRef(%q) = %v, %v; want ErrSyntax", text, got, err)
		}
	}
}

func long(s string) string { return strings.Repeat(s, 200) }

func FuzzParseStateRef(f *testing.F) {
	for _, seed := range []string{"SHA-256:00ff:7", "x:ab:-1", "::", "x:AB:+007", "a:b:c:d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := ParseStateRef(text)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Fatalf("%q: %v does not wrap ErrSyntax", text, err)
			}
			if len(err.Error()) > 1000 {
				t.Fatalf("the error has %d bytes", len(err.Error()))
			}
			return
		}
		back, err := ParseStateRef(ref.String())
		if err != nil || back != ref {
			t.Fatalf("%q parses to %v, its text %q to %v, %v", text, ref, ref.String(), back, err)
		}
		if upper, err := ParseStateRef(changeCase(text)); err == nil && upper != ref {
			t.Fatalf("%q and the same in other case are two states", text)
		}
	})
}

// changeCase turns the digits of the hash, and nothing else.
func changeCase(text string) string {
	algo, rest, _ := strings.Cut(text, ":")
	return algo + ":" + strings.ToLower(rest)
}

func FuzzParseTxID(f *testing.F) {
	f.Add("SHA-256:00ff")
	f.Add("SHA-256:0")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseTxID(text)
		if err != nil {
			return
		}
		if back, err := ParseTxID(id.String()); err != nil || back != id {
			t.Fatalf("%q parses to %v, its text to %v, %v", text, id, back, err)
		}
	})
}
