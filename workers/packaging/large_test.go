package packaging_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/fixtures/cpi"
	"github.com/cordage-sandbox/cordage/workers/packaging"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

// random gives n bytes that do not compress; the same each time.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b) // never fails
	return b
}

const changeLog = `<?xml version="1.1" encoding="UTF-8"?>
<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog"/>`

func TestChangeLogs(t *testing.T) {
	t.Parallel()
	key := signer(t, cert.Options{})
	deepest := jar(t, nil, []jarsign.File{jarsign.FileOf("migration/deepest.xml", []byte(changeLog))}, key)
	deep := jar(t, nil, []jarsign.File{jarsign.FileOf("migration/deep.xml", []byte(changeLog)), jarsign.FileOf("deepest.jar", deepest)}, key)
	library := jar(t, nil, []jarsign.File{
		jarsign.FileOf("migration/library.xml", []byte(changeLog)), jarsign.FileOf("migration/own.xml", []byte(changeLog)), jarsign.FileOf("deep.jar", deep),
	}, key)
	c := cpk(t, cpi.CPK{Files: map[string]string{
		"migration/own.xml":              changeLog,
		"migration/sub/OTHER.XML":        changeLog,
		"migration/no-namespace.xml":     "<databaseChangeLog/>",
		"migration/other-root.xml":       `<project xmlns="x"/>`,
		"migration/broken.xml":           "<databaseChangeLog",
		"migration/entities.xml":         `<!DOCTYPE x [<!ENTITY a "aaaa">]><databaseChangeLog xmlns="x">&a;</databaseChangeLog>`,
		"migration/blank.xml":            "  \n",
		"migration/readme.txt":           "text",
		"elsewhere/own.xml":              changeLog,
		"META-INF/privatelib/lib.jar":    string(library),
		"META-INF/privatelib/broken.jar": "no jar",
	}}, key)
	got, err := packaging.ReadCPK(t.Context(), bytes.NewReader(c), int64(len(c)), packaging.VerifyOptions{Trust: key.Chain, At: today, Name: "one.jar"})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, l := range got.ChangeLogs {
		paths = append(paths, l.Path)
	}
	// Files of a CPK come in alphabetical order from the fixture: META-INF first.
	if text := strings.Join(paths, " "); text != "migration/library.xml migration/own.xml migration/deep.xml migration/sub/OTHER.XML" {
		t.Errorf("change logs: %s", text)
	}
	all := strings.Join(got.Warnings, "\n")
	for _, want := range []string{"broken.jar is not searched", "no-namespace.xml", "other-root.xml", "broken.xml is left out", "entities.xml is left out", "migration/own.xml is left out of the database changes: another one has the same path"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning says %q:\n%s", want, all)
		}
	}
	if strings.Contains(all, "blank.xml") || len(got.Warnings) != 6 {
		t.Errorf("%d warnings:\n%s", len(got.Warnings), all)
	}
	if text := strings.Join(got.Libraries, " "); text != "META-INF/privatelib/broken.jar META-INF/privatelib/lib.jar" {
		t.Errorf("libraries: %s", text)
	}
}

// A large CPI, compressed as other tools do it, goes through a file without a name and little memory.
func TestReadLargeCPI(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: builds and reads 64 MiB")
	}
	const size = 64 << 20
	key := signer(t, cert.Options{})
	large := cpk(t, cpi.CPK{Files: map[string]string{"data.bin": string(random(size))}}, key)
	file := filepath.Join(t.TempDir(), "large.cpi")
	packed, err := cpi.Deflate(parts{cpks: []jarsign.File{jarsign.FileOf("large.jar", large)}, key: key}.bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, packed, 0o600); err != nil {
		t.Fatal(err)
	}
	want, wantSize := packaging.Sum(large), len(large)
	large, packed = nil, nil //nolint:ineffassign,wastedassign // so that they do not count below
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	var heapBefore, heapAfter runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&heapBefore)
	c, err := packaging.ReadCPI(t.Context(), f, st.Size(), packaging.VerifyOptions{Trust: key.Chain, At: today, TempDir: temp})
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&heapAfter)
	if grown := heapAfter.TotalAlloc - heapBefore.TotalAlloc; grown > 24<<20 {
		t.Errorf("reading %d MiB allocated %d MiB", size>>20, grown>>20)
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) != 0 {
		t.Errorf("in the temporary directory are %v, %v", left, err)
	}
	text, err := io.ReadAll(c.CPKs[0].Open())
	if err != nil || len(text) != wantSize || packaging.Sum(text) != want {
		t.Errorf("the CPK has %d bytes with sum %s, %v; want %d with %s", len(text), packaging.Sum(text), err, wantSize, want)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// FuzzReadCPI: damage of any kind is a fault, never a panic, and never another error.
func FuzzReadCPI(f *testing.F) {
	p, err := cpi.Spec{}.Build(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(0, byte(1), len(p.Bytes))
	f.Add(1000, byte(0xff), len(p.Bytes)-1)
	f.Fuzz(func(t *testing.T, at int, change byte, size int) {
		if size < 0 || size > len(p.Bytes) || at < 0 || at >= size {
			return
		}
		b := bytes.Clone(p.Bytes[:size])
		b[at] ^= change
		c, err := packaging.ReadCPI(t.Context(), bytes.NewReader(b), int64(len(b)), packaging.VerifyOptions{Trust: p.Trust, At: today})
		if err == nil {
			err = c.Close()
		} else if packaging.KindOf(err) != "" {
			return
		}
		if err != nil {
			t.Errorf("an error that is no fault: %v", err)
		}
	})
}
