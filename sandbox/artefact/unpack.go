package artefact

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/ulikunitz/xz"
)

// Bounds for an archive: PostgreSQL has 1,000 files and 63 MiB. The jar is pinned, so these guard against our own
// mistakes more than against others'.
const (
	maxEntries = 20_000
	maxBytes   = 1 << 30
)

type unpacking struct {
	ctx      context.Context
	to       string
	progress func(done, total int64) // bytes of the compressed archive
}

// unpackPostgreSQL unpacks the one .txz (tar, xz) inside jar.
func unpackPostgreSQL(u unpacking, jar string) error {
	z, err := zip.OpenReader(jar)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, ".txz") {
			r, err := f.Open()
			if err != nil {
				return err
			}
			defer r.Close()
			return u.txz(r, int64(f.UncompressedSize64))
		}
	}
	return fmt.Errorf("%s holds no .txz", filepath.Base(jar))
}

func (u unpacking) txz(r io.Reader, size int64) error {
	counted := &countingReader{r: r}
	x, err := xz.NewReader(bufio.NewReaderSize(counted, 1<<20))
	if err != nil {
		return err
	}
	if err := os.Mkdir(u.to, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(u.to) // no name and no link leads out of it
	if err != nil {
		return err
	}
	defer root.Close()

	t := tar.NewReader(bufio.NewReaderSize(x, 1<<20))
	var total int64
	for n := 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if total += h.Size; n >= maxEntries || h.Size < 0 || total > maxBytes {
			return fmt.Errorf("the archive is too big: entry %d, %d bytes", n+1, total)
		}
		if err := u.ctx.Err(); err != nil {
			return context.Cause(u.ctx)
		}
		if err := extract(root, h, t); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
		u.progress(min(counted.n, size), size)
	}
}

func extract(root *os.Root, h *tar.Header, r io.Reader) error {
	name := path.Clean(h.Name)
	if name == "." {
		return nil
	}
	if !filepath.IsLocal(name) {
		return errors.New("leads out of the archive")
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		if path.IsAbs(h.Linkname) || !filepath.IsLocal(path.Join(path.Dir(name), h.Linkname)) {
			return fmt.Errorf("links to %q, out of the archive", h.Linkname)
		}
		return root.Symlink(h.Linkname, name)
	case tar.TypeReg:
		mode := fs.FileMode(0o644)
		if h.Mode&0o100 != 0 {
			mode = 0o755
		}
		f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	default:
		return fmt.Errorf("has the unexpected type %q", h.Typeflag)
	}
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
