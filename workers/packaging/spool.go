package packaging

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
)

// blob is one file out of an archive, in memory, in the archive itself or in the spool.
type blob struct {
	r    io.ReaderAt
	size int64
	sum  [sha256.Size]byte
}

func (b *blob) open() *io.SectionReader { return io.NewSectionReader(b.r, 0, b.size) }

const (
	smallBlob   = 256 << 10 // bytes up to which one blob stays in memory
	memoryBlobs = 8 << 20   // bytes that all of them may take there
)

// spool keeps blobs until it is closed. What does not fit in memory goes, one after the other, into a single file that
// has no name any more, so nothing stays behind even when the process is killed.
type spool struct {
	dir  string
	file *os.File
	end  int64
	mem  int64
}

// keep stores an entry of a. contents is the entry as read for verification; it is read to its end. A stored entry is
// not copied: a already has it.
func (s *spool) keep(a *archive.Archive, e *archive.Entry, contents io.Reader) (*blob, error) {
	sum := sha256.New()
	contents = io.TeeReader(contents, sum)
	b := &blob{size: e.Size}
	switch {
	case e.Method == archive.Store:
		if _, err := io.Copy(io.Discard, contents); err != nil {
			return nil, err
		}
		b.r = a.Raw(e)
	case e.Size <= smallBlob && s.mem+e.Size <= memoryBlobs:
		data, err := io.ReadAll(contents)
		if err != nil {
			return nil, err
		}
		s.mem += e.Size
		b.r = bytes.NewReader(data)
	default:
		if err := s.open(); err != nil {
			return nil, err
		}
		n, err := io.Copy(io.NewOffsetWriter(s.file, s.end), contents)
		if err != nil {
			return nil, fmt.Errorf("keep %s: %w", e.Name, err)
		}
		b.r = io.NewSectionReader(s.file, s.end, n)
		s.end += n
	}
	sum.Sum(b.sum[:0])
	return b, nil
}

// until notes how much is kept; calling the result forgets what was kept since, whose blobs must not be read any more.
func (s *spool) until() (forget func()) {
	end, mem := s.end, s.mem
	return func() { s.end, s.mem = end, mem }
}

func (s *spool) open() error {
	if s.file != nil {
		return nil
	}
	f, err := os.CreateTemp(s.dir, "cordage-package-*")
	if err != nil {
		return fmt.Errorf("make a temporary file for the parts of a package: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return errors.Join(fmt.Errorf("unlink the temporary file for the parts of a package: %w", err), f.Close())
	}
	s.file = f
	return nil
}

func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}
