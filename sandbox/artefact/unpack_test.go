package artefact

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

func txz(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	x, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(x)
	for _, h := range headers {
		content := strings.Repeat("x", int(h.Size))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpackTo(t testing.TB, to string, archive []byte) error {
	t.Helper()
	u := unpacking{ctx: t.Context(), to: to, progress: func(int64, int64) {}}
	return u.txz(bytes.NewReader(archive), int64(len(archive)))
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	to := filepath.Join(t.TempDir(), "tree")
	err := unpackTo(t, to, txz(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o777},
		tar.Header{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o700},
		tar.Header{Typeflag: tar.TypeReg, Name: "bin/postgres", Mode: 0o4711, Size: 3},
		tar.Header{Typeflag: tar.TypeReg, Name: "./share/words", Mode: 0o666, Size: 2},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "lib/libpq.so", Linkname: "../share/words"},
	))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"bin/postgres": 0o755, "share/words": 0o644, "lib/libpq.so": 0o644} {
		info, err := os.Stat(filepath.Join(to, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want mode %v", name, info, err, want)
		}
	}
}

// TestUnpackRefuses: nothing in an archive may end up, or point, outside of its directory.
func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string][]tar.Header{
		"name upwards":         {{Typeflag: tar.TypeReg, Name: "../evil", Size: 1}},
		"name absolute":        {{Typeflag: tar.TypeReg, Name: "/tmp/evil", Size: 1}},
		"hidden upwards":       {{Typeflag: tar.TypeReg, Name: "a/../../evil", Size: 1}},
		"link absolute":        {{Typeflag: tar.TypeSymlink, Name: "evil", Linkname: "/etc/passwd"}},
		"link upwards":         {{Typeflag: tar.TypeSymlink, Name: "a/evil", Linkname: "../../evil"}},
		"hard link":            {{Typeflag: tar.TypeLink, Name: "evil", Linkname: "a"}},
		"device":               {{Typeflag: tar.TypeChar, Name: "evil"}},
		"same file twice":      {{Typeflag: tar.TypeReg, Name: "a", Size: 1}, {Typeflag: tar.TypeReg, Name: "a", Size: 1}},
		"directory that is up": {{Typeflag: tar.TypeDir, Name: ".."}},
	}
	for name, headers := range cases {
		parent := t.TempDir()
		if err := unpackTo(t, filepath.Join(parent, "tree"), txz(t, headers...)); err == nil {
			t.Errorf("%s: unpacked", name)
		}
		if _, err := os.Lstat(filepath.Join(parent, "evil")); err == nil {
			t.Errorf("%s: a file was written outside", name)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(txz(f, tar.Header{Typeflag: tar.TypeReg, Name: "bin/postgres", Size: 3}))
	f.Add([]byte("\xfd7zXZ\x00"))
	f.Fuzz(func(t *testing.T, archive []byte) {
		parent := t.TempDir()
		_ = unpackTo(t, filepath.Join(parent, "tree"), archive)
		if entries, err := os.ReadDir(parent); err != nil || len(entries) > 1 {
			t.Errorf("beside the tree there are %v, %v", entries, err)
		}
	})
}
