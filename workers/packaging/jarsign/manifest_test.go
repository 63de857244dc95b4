package jarsign

import (
	"bytes"
	"crypto/x509/pkix"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseManifest(t *testing.T) {
	t.Parallel()
	text := "Manifest-Version: 1.0\r\nLong: 1234567890\r\n 1234567890\r\n  blank\r\nEmpty: \r\n\r\n" +
		"Name: a/b.class\nSHA-256-Digest: x\n\n\nName: a/\r c\rOther: y\r\r"
	m, err := ParseManifest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Attributes{{"Manifest-Version", "1.0"}, {"Long", "12345678901234567890 blank"}, {"Empty", ""}}
	if !slices.Equal(m.Main, want) {
		t.Errorf("main attributes %q, want %q", m.Main, want)
	}
	if v := m.Main.Value("LONG"); v != want[1].Value {
		t.Errorf("LONG is %q: names must not depend on letter case", v)
	}
	if len(m.Sections) != 2 || m.Sections[0].Name != "a/b.class" || m.Sections[1].Name != "a/c" {
		t.Fatalf("sections %+v", m.Sections)
	}
	if got := string(m.Sections[0].raw); got != "Name: a/b.class\nSHA-256-Digest: x\n\n" {
		t.Errorf("the digested bytes of a section are %q", got)
	}
	if !strings.HasSuffix(string(m.mainRaw), "Empty: \r\n\r\n") {
		t.Errorf("the digested bytes of the main attributes are %q", m.mainRaw)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"no line break at the end":    {"A: b", "without a line break"},
		"a long line":                 {"A: " + strings.Repeat("x", 600) + "\n", "longer than 512"},
		"no colon":                    {"A b\n", "Name: value"},
		"no blank after the colon":    {"A:b\n", "Name: value"},
		"a name of other characters":  {"A b: c\n", "not an attribute name"},
		"an empty name":               {": c\n", "not an attribute name"},
		"a long name":                 {strings.Repeat("n", 71) + ": c\n", "not an attribute name"},
		"an attribute twice":          {"A: b\na: c\n", "there twice"},
		"a section twice":             {"A: b\n\nName: x\n\nName: x\n\n", "second section"},
		"a section without Name":      {"A: b\n\nB: c\n\n", "not with Name"},
		"a continuation of nothing":   {" b\n", "nothing before it"},
		"bytes that are not UTF-8":    {"A: \xff\n", "not UTF-8"},
		"a NUL":                       {"A: b\x00c\n", "not UTF-8"},
		"the line of the fault named": {"A: b\nC: d\nbad\n", "line 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseManifest([]byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("ParseManifest(%.40q) = %v, want an error saying %q", tc.text, err, tc.want)
			}
		})
	}
}

func TestFoldsAfter72Bytes(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("ä", 200)
	text := appendSection(nil, Attributes{{"Name", value}})
	for line := range bytes.SplitSeq(text, []byte("\r\n")) {
		if len(line) > 72 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
	m, err := ParseManifest(text)
	if err != nil || m.Main.Value("Name") != value {
		t.Errorf("read back %q, %v", m.Main.Value("Name"), err)
	}
}

// FuzzParseManifest: what parses can be written, and then parses to the same; sections do not overlap.
func FuzzParseManifest(f *testing.F) {
	f.Add([]byte("Manifest-Version: 1.0\r\n\r\nName: a\r\nSHA-256-Digest: b\r\n\r\n"))
	f.Add([]byte("A: b\r c\r\rName: x\n\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(text)
		if err != nil {
			return
		}
		total := len(m.mainRaw)
		out := appendSection(nil, m.Main)
		for _, s := range m.Sections {
			total += len(s.raw)
			out = appendSection(out, append(Attributes{{"Name", s.Name}}, s.Attrs...))
		}
		if total > len(text) {
			t.Errorf("sections have %d bytes, the text %d", total, len(text))
		}
		if len(m.Main) == 0 {
			return // a blank first line would be read as no main section at all
		}
		again, err := ParseManifest(out)
		if err != nil {
			t.Fatalf("written again: %v\n%q", err, out)
		}
		if !slices.Equal(again.Main, m.Main) || len(again.Sections) != len(m.Sections) {
			t.Errorf("read %+v, written and read again %+v", m, again)
		}
	})
}

// FuzzParseBlock: no input makes the PKCS#7 reader or the checks of a signer panic.
func FuzzParseBlock(f *testing.F) {
	f.Add([]byte{0x30, 0x80})
	key, err := NewKey(pkix.Name{CommonName: "Fuzz"}, time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	block, _, err := signBlock(f.Context(), []byte("content"), key, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block)
	f.Fuzz(func(_ *testing.T, der []byte) {
		signers, err := parseBlock(der, oidJarContent)
		if err != nil {
			return
		}
		for i := range signers {
			_, _ = signers[i].verify([]byte("content")) // errors are fine, panics are not
			_, _ = signers[i].timestamp()
		}
	})
}
