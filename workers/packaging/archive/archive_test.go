package archive_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
)

type file struct {
	name, contents string
	method         uint16
}

// make writes a zip file with the standard library, which allows names of all kinds.
func makeZip(t testing.TB, files ...file) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: f.method}
		create := w.CreateHeader
		if f.method == zip.Store {
			h.CRC32 = crc32.ChecksumIEEE([]byte(f.contents))
			h.CompressedSize64, h.UncompressedSize64 = uint64(len(f.contents)), uint64(len(f.contents))
			create = w.CreateRaw
		}
		to, err := create(h)
		if err != nil {
			t.Fatalf("write %q: %v", f.name, err)
		}
		if _, err := to.Write([]byte(f.contents)); err != nil {
			t.Fatalf("write %q: %v", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// readAll opens an archive and reads every entry to its end.
func readAll(b []byte, limits archive.Limits) (map[string]string, error) {
	limits = limits.WithDefaults()
	a, err := archive.Open(bytes.NewReader(b), int64(len(b)), limits, archive.NewMeter(limits.Total))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, e := range a.Entries {
		text, err := io.ReadAll(a.Open(e))
		if err != nil {
			return nil, err
		}
		out[e.Name] = string(text)
	}
	return out, nil
}

func TestReadsWhatWasWritten(t *testing.T) {
	t.Parallel()
	files := []file{
		{"META-INF/", "", zip.Store},
		{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n", zip.Deflate},
		{"empty", "", zip.Deflate},
		{"stored.jar", strings.Repeat("x", 5000), zip.Store},
		{"Grüße/日本.txt", "text", zip.Deflate},
	}
	got, err := readAll(makeZip(t, files...), archive.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if got[f.name] != f.contents {
			t.Errorf("%q holds %q, want %q", f.name, got[f.name], f.contents)
		}
	}
	if len(got) != len(files) {
		t.Errorf("%d entries, want %d", len(got), len(files))
	}
}

func TestRefusesNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"../evil", "a/../../evil", "a/..", "./a", "a/./b", "/etc/passwd", `a\b`, `..\evil`, "C:/evil", "c:evil", "a//b", "a\x00b", "a\nb", "\xff\xfe", "..", "/",
	} {
		t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
			t.Parallel()
			_, err := readAll(makeZip(t, file{"ok", "x", zip.Deflate}, file{name, "", zip.Deflate}), archive.Limits{})
			if _, ok := errors.AsType[*archive.FormatError](err); !ok {
				t.Errorf("an entry named %q gives %v, want a FormatError", name, err)
			}
		})
	}
}

func TestRefusesSizes(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("\x00", 2<<20)
	many := make([]file, 11)
	for i := range many {
		many[i] = file{fmt.Sprintf("f%d", i), "0123456789", zip.Store}
	}
	for name, tc := range map[string]struct {
		files  []file
		limits archive.Limits
		want   string
	}{
		"a zip bomb":         {[]file{{"bomb", zeros, zip.Deflate}}, archive.Limits{}, "ratio"},
		"a large entry":      {[]file{{"large", "0123456789", zip.Store}}, archive.Limits{EntrySize: 9}, "expanded size"},
		"many entries":       {many, archive.Limits{Entries: 10}, "number of entries"},
		"much altogether":    {many, archive.Limits{Total: 100}, "all files together"},
		"a large file":       {many, archive.Limits{FileSize: 100}, "size of the file"},
		"a long name":        {[]file{{strings.Repeat("n", 65), "", zip.Deflate}}, archive.Limits{Name: 64}, "name"},
		"a bomb in pieces":   {[]file{{"a", zeros[:1<<20], zip.Deflate}, {"b", zeros[:1<<20], zip.Deflate}}, archive.Limits{Total: 1 << 20}, "all files together"},
		"a bomb over a file": {[]file{{"bomb", zeros, zip.Deflate}}, archive.Limits{Ratio: 1 << 40, EntrySize: 1 << 20}, "expanded size"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readAll(makeZip(t, tc.files...), tc.limits)
			limit, ok := errors.AsType[*archive.LimitError](err)
			if !ok || !strings.Contains(limit.Error(), tc.want) {
				t.Errorf("got %v, want a LimitError about the %s", err, tc.want)
			}
		})
	}
}

// Each damage makes an archive that some reader takes, or takes differently.
func TestRefusesDamage(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	good := makeZip(t, file{"a", "first contents", zip.Deflate}, file{"b", "second contents", zip.Store})
	dir := bytes.Index(good, []byte("PK\x01\x02"))
	second := bytes.LastIndex(good[:dir], []byte("PK\x03\x04"))
	dir2 := dir + bytes.Index(good[dir+4:], []byte("PK\x01\x02")) + 4
	end := bytes.Index(good, []byte("PK\x05\x06"))
	edit := func(f func(b []byte)) []byte { b := bytes.Clone(good); f(b); return b }
	insert := func(at int, text string) []byte { // and moves the places in the end record
		b := append(append(bytes.Clone(good[:at]), text...), good[at:]...)
		n := uint32(len(text))
		e := end + len(text)
		le.PutUint32(b[e+16:], le.Uint32(b[e+16:])+n)
		if at <= second {
			d := dir2 + len(text)
			le.PutUint32(b[d+42:], le.Uint32(b[d+42:])+n)
		}
		if at == 0 {
			d := dir + len(text)
			le.PutUint32(b[d+42:], n)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":                         {},
		"text":                            []byte(strings.Repeat("this is no zip file ", 10)),
		"truncated in the middle":         good[:len(good)/2],
		"truncated by one byte":           good[:len(good)-1],
		"bytes behind the end":            append(bytes.Clone(good), 0),
		"bytes before the first entry":    insert(0, "#!/bin/sh\n"),
		"bytes between entries":           insert(second, "hidden"),
		"bytes before the directory":      insert(dir, "hidden"),
		"another name in the header":      edit(func(b []byte) { b[second+30] = 'c' }),
		"another name in the directory":   edit(func(b []byte) { b[dir2+46] = 'c' }),
		"another method in the header":    edit(func(b []byte) { b[second+8] = 8 }),
		"encrypted by the header alone":   edit(func(b []byte) { b[second+6] |= 1 }),
		"another size in the header":      edit(func(b []byte) { b[second+22]++ }),
		"another checksum in the header":  edit(func(b []byte) { b[second+14]++ }),
		"another checksum behind it":      edit(func(b []byte) { b[second-12]++ }), // second is behind the sizes of the first
		"another size behind it":          edit(func(b []byte) { b[second-4]++ }),
		"no sizes behind it":              insert(second-16, "PK"),
		"another checksum everywhere":     edit(func(b []byte) { b[second+14]++; b[dir2+16]++ }),
		"an altered byte":                 edit(func(b []byte) { b[second+31+3]++ }),
		"encrypted":                       edit(func(b []byte) { b[second+6] |= 1; b[dir2+8] |= 1 }),
		"unknown method":                  edit(func(b []byte) { b[second+8] = 12; b[dir2+10] = 12 }),
		"sizes that differ when stored":   edit(func(b []byte) { b[dir2+24]++ }),
		"a place outside the file":        edit(func(b []byte) { le.PutUint32(b[dir2+42:], 1<<30) }),
		"two entries in one place":        edit(func(b []byte) { le.PutUint32(b[dir2+42:], 0) }),
		"more entries than there are":     edit(func(b []byte) { b[end+8]++; b[end+10]++ }),
		"fewer entries than there are":    edit(func(b []byte) { b[end+8]--; b[end+10]-- }),
		"several disks":                   edit(func(b []byte) { b[end+4] = 1 }),
		"damaged compressed data":         edit(func(b []byte) { b[31] = 0xff; b[32] = 0xff }),
		"twice the same name":             makeZip(t, file{"a", "1", zip.Deflate}, file{"a", "2", zip.Deflate}),
		"a directory with contents":       bytes.ReplaceAll(makeZip(t, file{"dirX", "x", zip.Store}), []byte("dirX"), []byte("dir/")),
		"more contents than it says":      smallerSize(t),
		"contents behind compressed data": hiddenBehindDeflate(t),
		"stored with the size behind":     storedWithDescriptor(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := readAll(b, archive.Limits{})
			if _, ok := errors.AsType[*archive.FormatError](err); !ok {
				t.Errorf("got %q, %v, want a FormatError", got, err)
			}
		})
	}
}

// raw writes one deflated entry with the given compressed bytes and claimed size.
func raw(t *testing.T, compressed []byte, size uint64, sum uint32) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	to, err := w.CreateRaw(&zip.FileHeader{Name: "a", Method: zip.Deflate, CompressedSize64: uint64(len(compressed)), UncompressedSize64: size, CRC32: sum})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Write(compressed); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// storedBlock is a deflate stream with one block that is not compressed.
func storedBlock(text string) []byte {
	n := uint16(len(text))
	b := []byte{1}
	b = binary.LittleEndian.AppendUint16(b, n)
	b = binary.LittleEndian.AppendUint16(b, ^n)
	return append(b, text...)
}

func smallerSize(t *testing.T) []byte {
	return raw(t, storedBlock("0123456789"), 5, crc32.ChecksumIEEE([]byte("01234")))
}

func hiddenBehindDeflate(t *testing.T) []byte {
	hidden := append(storedBlock("shown"), "PK\x03\x04 another entry, for who reads from the front"...)
	return raw(t, hidden, 5, crc32.ChecksumIEEE([]byte("shown")))
}

func storedWithDescriptor(t *testing.T) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	to, err := w.CreateHeader(&zip.FileHeader{Name: "a", Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Write([]byte("contents")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReadsZip64(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	const n = 1 << 16
	for i := range n {
		if _, err := w.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("d%d/", i), Method: zip.Store}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(out.Bytes(), archive.Limits{Entries: n})
	if err != nil || len(got) != n {
		t.Errorf("read %d entries, %v; want %d", len(got), err, n)
	}
	_, err = readAll(out.Bytes(), archive.Limits{})
	if _, ok := errors.AsType[*archive.LimitError](err); !ok {
		t.Errorf("with the default limit: %v, want a LimitError", err)
	}
}

// FuzzOpen: what is accepted, the standard library reads with the same names and contents.
func FuzzOpen(f *testing.F) {
	f.Add(makeZip(f, file{"a", "first contents", zip.Deflate}, file{"b/", "", zip.Store}, file{"b/c.jar", "second", zip.Store}))
	f.Add(makeZip(f))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readAll(b, archive.Limits{Total: 1 << 22, EntrySize: 1 << 20})
		if err != nil {
			return
		}
		r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatalf("accepted, but archive/zip says %v", err)
		}
		if len(r.File) != len(got) {
			t.Fatalf("%d entries, archive/zip sees %d", len(got), len(r.File))
		}
		for _, zf := range r.File {
			in, err := zf.Open()
			if err != nil {
				t.Fatalf("%q: archive/zip says %v", zf.Name, err)
			}
			text, err := io.ReadAll(in)
			if err != nil || got[zf.Name] != string(text) {
				t.Fatalf("%q is %q, archive/zip reads %q, %v", zf.Name, got[zf.Name], text, err)
			}
		}
	})
}
