// Package archive reads zip files that nobody has reason to trust. It accepts only archives that every reader
// understands alike, whether it reads from the front as Java's JarInputStream does or by the directory at the end:
// entries lie one after the other from the first byte, local headers agree with the directory, names are relative,
// plain and unique, and sizes stay within [Limits]. It never writes to disk.
//
// For workers/packaging and its parts; it imports nothing of Cordage.
package archive

import (
	"bufio"
	"compress/flate"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"
)

// Compression methods, as numbered in the zip format.
const (
	Store   uint16 = 0
	Deflate uint16 = 8
)

// Entry is one file or directory of an archive.
type Entry struct {
	Name       string // relative, with forward slashes; a directory ends in one
	Method     uint16 // Store or Deflate
	Size       int64  // expanded
	Compressed int64
	CRC32      uint32

	flags        uint16
	headerOffset int64
	dataOffset   int64
}

// IsDir tells directories from files.
func (e *Entry) IsDir() bool { return strings.HasSuffix(e.Name, "/") }

// Archive is an open archive. Its entries may be read in any order and in parallel.
type Archive struct {
	Entries []*Entry // in the order in which they lie in the file

	r      io.ReaderAt
	limits Limits
	meter  *Meter
	byName map[string]*Entry
}

// Open reads the directory of an archive of size bytes and checks it against every local header; contents are not
// read yet. The meter counts what is expanded later; nil counts nothing.
//
// Errors are [*FormatError], [*LimitError] or those of r.
func Open(r io.ReaderAt, size int64, limits Limits, meter *Meter) (*Archive, error) {
	limits = limits.WithDefaults()
	if size > limits.FileSize {
		return nil, &LimitError{What: "size of the file", Limit: limits.FileSize, Unit: "bytes"}
	}
	end, err := findEnd(r, size)
	if err != nil {
		return nil, err
	}
	if end.entries > uint64(limits.Entries) {
		return nil, &LimitError{What: "number of entries", Limit: int64(limits.Entries), Unit: "entries"}
	}
	entries, err := readDirectory(r, end, limits)
	if err != nil {
		return nil, err
	}
	a := &Archive{Entries: entries, r: r, limits: limits, meter: meter, byName: make(map[string]*Entry, len(entries))}
	for _, e := range entries {
		if err := a.admit(e); err != nil {
			return nil, err
		}
	}
	if err := checkLayout(r, entries, end); err != nil {
		return nil, err
	}
	return a, nil
}

// Lookup finds an entry by its exact name.
func (a *Archive) Lookup(name string) (*Entry, bool) {
	e, ok := a.byName[name]
	return e, ok
}

// admit checks what can be said of an entry by its directory record.
func (a *Archive) admit(e *Entry) error {
	if err := checkName(e.Name); err != nil {
		return err
	}
	if _, twice := a.byName[e.Name]; twice {
		return malformed(e.Name, "it is there twice")
	}
	a.byName[e.Name] = e
	switch {
	case e.flags&1 != 0:
		return malformed(e.Name, "it is encrypted")
	case e.Method != Store && e.Method != Deflate:
		return malformed(e.Name, "compression method %d is neither stored nor deflated", e.Method)
	case e.Method == Store && e.Size != e.Compressed:
		return malformed(e.Name, "it is stored, yet its two sizes are %d and %d", e.Compressed, e.Size)
	case e.Method == Store && e.flags&hasDescriptor != 0 && e.Size > 0:
		return malformed(e.Name, "it is stored with its size behind it, so it cannot be read from the front")
	case e.IsDir() && e.Size != 0:
		return malformed(e.Name, "a directory has contents")
	case e.Size > a.limits.EntrySize:
		return &LimitError{What: "expanded size", Entry: e.Name, Limit: a.limits.EntrySize, Unit: "bytes"}
	case e.Size > ratioFloor && e.Size/max(e.Compressed, 1) > a.limits.Ratio:
		return &LimitError{What: "ratio of expanded to compressed size", Entry: e.Name, Limit: a.limits.Ratio, Unit: "to 1"}
	}
	return nil
}

// Open gives the expanded contents of e. Reading past the size that the directory names, a wrong checksum and the
// limits are errors; io.EOF comes only after size and checksum were found right.
func (a *Archive) Open(e *Entry) io.Reader {
	raw := bufio.NewReaderSize(a.Raw(e), int(min(e.Compressed, 1<<15)))
	c := &contents{entry: e, raw: raw, src: raw, meter: a.meter, crc: crc32.NewIEEE(), left: e.Size}
	if e.Method == Deflate {
		c.src = flate.NewReader(raw) // takes single bytes from raw, so nothing behind the last block is swallowed
	}
	return c
}

// Raw gives the compressed bytes of e as they lie in the file.
func (a *Archive) Raw(e *Entry) *io.SectionReader {
	return io.NewSectionReader(a.r, e.dataOffset, e.Compressed)
}

// ReadAll gives the contents of e, of at most limit bytes.
func (a *Archive) ReadAll(e *Entry, limit int64) ([]byte, error) {
	if e.Size > limit {
		return nil, &LimitError{What: "expanded size", Entry: e.Name, Limit: limit, Unit: "bytes"}
	}
	return io.ReadAll(a.Open(e))
}

// contents checks an entry while it is read.
type contents struct {
	entry *Entry
	raw   *bufio.Reader // compressed
	src   io.Reader     // expanded
	meter *Meter
	crc   hash.Hash32
	left  int64
	err   error
}

func (c *contents) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.src.Read(p)
	if int64(n) > c.left {
		c.err = malformed(c.entry.Name, "it expands to more than the %d bytes that the directory names", c.entry.Size)
		return 0, c.err
	}
	c.left -= int64(n)
	c.crc.Write(p[:n])
	if merr := c.meter.add(int64(n)); merr != nil {
		c.err = fmt.Errorf("entry %q: %w", c.entry.Name, merr)
		return 0, c.err
	}
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		c.err = c.explain(err)
	case c.left > 0:
		c.err = malformed(c.entry.Name, "it ends %d bytes before the %d that the directory names", c.left, c.entry.Size)
	case c.crc.Sum32() != c.entry.CRC32:
		c.err = malformed(c.entry.Name, "its contents do not have the checksum that the directory names")
	case c.hasMore():
		c.err = malformed(c.entry.Name, "bytes are hidden behind the end of its compressed data")
	default:
		c.err = io.EOF
	}
	return n, c.err
}

// hasMore tells whether compressed bytes are left when the contents have ended.
func (c *contents) hasMore() bool {
	_, err := c.raw.ReadByte()
	return err == nil
}

// explain makes errors of the decompressor ones of the archive, and leaves those of the disk alone.
func (c *contents) explain(err error) error {
	if _, corrupt := errors.AsType[flate.CorruptInputError](err); corrupt || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed(c.entry.Name, "its compressed data are damaged")
	}
	return fmt.Errorf("read entry %q: %w", c.entry.Name, err)
}
