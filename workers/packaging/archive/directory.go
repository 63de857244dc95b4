package archive

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
)

// Record signatures and sizes. Source: PKWARE APPNOTE 6.3.
const (
	localSignature      = 0x04034b50
	directorySignature  = 0x02014b50
	endSignature        = 0x06054b50
	end64Signature      = 0x06064b50
	locator64Signature  = 0x07064b50
	descriptorSignature = 0x08074b50

	localLen     = 30
	directoryLen = 46
	endLen       = 22
	locator64Len = 20
	end64Len     = 56
	maxComment   = 1<<16 - 1

	hasDescriptor = 1 << 3
	zip64Extra    = 0x0001
)

// end is what the records at the end of an archive say of its directory.
type end struct {
	entries uint64
	offset  int64 // of the directory
	length  int64 // of the directory
}

// findEnd reads the end record, which must end exactly with the file.
func findEnd(r io.ReaderAt, size int64) (end, error) {
	if size < endLen {
		return end{}, malformed("", "the file has %d bytes, too few for an archive", size)
	}
	tail := make([]byte, min(size, endLen+maxComment))
	if err := readFull(r, tail, size-int64(len(tail))); err != nil {
		return end{}, err
	}
	for i := len(tail) - endLen; i >= 0; i-- {
		rec := tail[i:]
		if binary.LittleEndian.Uint32(rec) != endSignature || int(binary.LittleEndian.Uint16(rec[20:])) != len(rec)-endLen {
			continue
		}
		return parseEnd(r, rec, size-int64(len(rec)))
	}
	return end{}, malformed("", "it is not a zip archive, or it is truncated: there is no end record")
}

func parseEnd(r io.ReaderAt, rec []byte, at int64) (end, error) {
	le := binary.LittleEndian
	if le.Uint16(rec[4:]) != 0 || le.Uint16(rec[6:]) != 0 || le.Uint16(rec[8:]) != le.Uint16(rec[10:]) {
		return end{}, malformed("", "the archive is split over several files")
	}
	e := end{entries: uint64(le.Uint16(rec[10:])), length: int64(le.Uint32(rec[12:])), offset: int64(le.Uint32(rec[16:]))}
	last := at
	if e.entries == math.MaxUint16 || e.length == math.MaxUint32 || e.offset == math.MaxUint32 {
		e64, start, found, err := findEnd64(r, at)
		if err != nil {
			return end{}, err
		}
		if found {
			e, last = e64, start
		}
	}
	if e.offset < 0 || e.length < 0 || e.offset+e.length != last {
		return end{}, malformed("", "the directory does not lie directly before the end record")
	}
	return e, nil
}

// findEnd64 reads the 64-bit end record, if there is one, through its locator before the end record at at.
func findEnd64(r io.ReaderAt, at int64) (e end, start int64, found bool, err error) {
	if at < locator64Len+end64Len {
		return end{}, 0, false, nil
	}
	buf := make([]byte, end64Len)
	if err := readFull(r, buf[:locator64Len], at-locator64Len); err != nil {
		return end{}, 0, false, err
	}
	le := binary.LittleEndian
	if le.Uint32(buf) != locator64Signature {
		return end{}, 0, false, nil
	}
	start = int64(le.Uint64(buf[8:]))
	if start != at-locator64Len-end64Len {
		return end{}, 0, false, malformed("", "the 64-bit end record is not where it must be")
	}
	if err := readFull(r, buf, start); err != nil {
		return end{}, 0, false, err
	}
	if le.Uint32(buf) != end64Signature || le.Uint64(buf[4:]) != end64Len-12 {
		return end{}, 0, false, malformed("", "the 64-bit end record is damaged")
	}
	e = end{entries: le.Uint64(buf[32:]), length: int64(le.Uint64(buf[40:])), offset: int64(le.Uint64(buf[48:]))}
	return e, start, true, nil
}

// readDirectory gives the entries in the order of their places in the file.
func readDirectory(r io.ReaderAt, e end, limits Limits) ([]*Entry, error) {
	if uint64(e.length)/directoryLen < e.entries {
		return nil, malformed("", "the directory is too short for its %d entries", e.entries)
	}
	in := bufio.NewReaderSize(io.NewSectionReader(r, e.offset, e.length), 1<<16)
	entries := make([]*Entry, 0, e.entries)
	for range e.entries {
		entry, err := readRecord(in, limits)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, malformed("", "the directory has more records than the end record names")
	}
	slices.SortStableFunc(entries, func(x, y *Entry) int { return cmp.Compare(x.headerOffset, y.headerOffset) })
	return entries, nil
}

func readRecord(in io.Reader, limits Limits) (*Entry, error) {
	var fixed [directoryLen]byte
	if _, err := io.ReadFull(in, fixed[:]); err != nil {
		return nil, truncated(err)
	}
	le := binary.LittleEndian
	if le.Uint32(fixed[:]) != directorySignature {
		return nil, malformed("", "the directory is damaged")
	}
	nameLen, extraLen, commentLen := int(le.Uint16(fixed[28:])), int(le.Uint16(fixed[30:])), int(le.Uint16(fixed[32:]))
	if nameLen > limits.Name {
		return nil, &LimitError{What: "length of an entry's name", Limit: int64(limits.Name), Unit: "bytes"}
	}
	rest := make([]byte, nameLen+extraLen+commentLen)
	if _, err := io.ReadFull(in, rest); err != nil {
		return nil, truncated(err)
	}
	e := &Entry{
		Name:         string(rest[:nameLen]),
		flags:        le.Uint16(fixed[8:]),
		Method:       le.Uint16(fixed[10:]),
		CRC32:        le.Uint32(fixed[16:]),
		Compressed:   int64(le.Uint32(fixed[20:])),
		Size:         int64(le.Uint32(fixed[24:])),
		headerOffset: int64(le.Uint32(fixed[42:])),
	}
	if err := e.widen(rest[nameLen : nameLen+extraLen]); err != nil {
		return nil, err
	}
	return e, nil
}

// widen takes 64-bit sizes and offset from the extra field where the 32-bit ones are full.
func (e *Entry) widen(extra []byte) error {
	le := binary.LittleEndian
	for len(extra) >= 4 {
		tag, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if len(extra) < 4+n {
			break
		}
		body := extra[4 : 4+n]
		extra = extra[4+n:]
		if tag != zip64Extra {
			continue
		}
		for _, v := range []*int64{&e.Size, &e.Compressed, &e.headerOffset} {
			if *v == math.MaxUint32 && len(body) >= 8 {
				*v = int64(le.Uint64(body))
				body = body[8:]
			}
		}
		break
	}
	if e.Size < 0 || e.Compressed < 0 || e.headerOffset < 0 {
		return malformed(e.Name, "a size or place in the directory is out of range")
	}
	return nil
}

// checkLayout walks the file from its first byte, as a reader that does not know the directory would: every local
// header must agree with its directory record, and nothing may lie between the entries.
func checkLayout(r io.ReaderAt, entries []*Entry, e end) error {
	var pos int64
	for _, entry := range entries {
		if entry.headerOffset != pos {
			return malformed(entry.Name, "it does not follow directly on what lies before it (place %d, expected %d)", entry.headerOffset, pos)
		}
		next, err := entry.locate(r, e.offset)
		if err != nil {
			return err
		}
		pos = next
	}
	if pos != e.offset {
		return malformed("", "%d bytes lie between the last entry and the directory", e.offset-pos)
	}
	return nil
}

// locate reads the local header of e, sets its data offset and gives the place of what follows its data.
func (e *Entry) locate(r io.ReaderAt, limit int64) (int64, error) {
	if e.headerOffset > limit-localLen {
		return 0, malformed(e.Name, "its header lies outside the file")
	}
	var h [localLen]byte
	if err := readFull(r, h[:], e.headerOffset); err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	nameLen, extraLen := int64(le.Uint16(h[26:])), int64(le.Uint16(h[28:]))
	if le.Uint32(h[:]) != localSignature || nameLen != int64(len(e.Name)) {
		return 0, malformed(e.Name, "its header disagrees with the directory")
	}
	name := make([]byte, nameLen)
	if err := readFull(r, name, e.headerOffset+localLen); err != nil {
		return 0, err
	}
	const same = hasDescriptor | 1 // encryption and the place of the sizes
	if string(name) != e.Name || le.Uint16(h[8:]) != e.Method || le.Uint16(h[6:])&same != e.flags&same {
		return 0, malformed(e.Name, "its header disagrees with the directory")
	}
	if e.flags&hasDescriptor == 0 && !e.sameSizes(h[:]) {
		return 0, malformed(e.Name, "the sizes in its header disagree with the directory")
	}
	e.dataOffset = e.headerOffset + localLen + nameLen + extraLen
	if e.dataOffset > limit || e.Compressed > limit-e.dataOffset {
		return 0, malformed(e.Name, "its contents reach into the directory")
	}
	return e.afterDescriptor(r, limit)
}

func (e *Entry) sameSizes(h []byte) bool {
	le := binary.LittleEndian
	same := func(local uint32, v int64) bool {
		return int64(local) == v || local == math.MaxUint32 && v >= math.MaxUint32
	}
	return le.Uint32(h[14:]) == e.CRC32 && same(le.Uint32(h[18:]), e.Compressed) && same(le.Uint32(h[22:]), e.Size)
}

// afterDescriptor gives the place behind the sizes that follow the data, where they do. They come in four forms:
// with or without a signature, with 32-bit or 64-bit sizes.
func (e *Entry) afterDescriptor(r io.ReaderAt, limit int64) (int64, error) {
	after := e.dataOffset + e.Compressed
	if e.flags&hasDescriptor == 0 {
		return after, nil
	}
	buf := make([]byte, min(24, limit-after))
	if err := readFull(r, buf, after); err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	for _, signed := range []bool{true, false} {
		var start []byte
		if signed {
			start = le.AppendUint32(start, descriptorSignature)
		}
		start = le.AppendUint32(start, e.CRC32)
		wide := le.AppendUint64(le.AppendUint64(slices.Clone(start), uint64(e.Compressed)), uint64(e.Size))
		narrow := le.AppendUint32(le.AppendUint32(start, uint32(e.Compressed)), uint32(e.Size))
		for _, form := range [][]byte{wide, narrow} { // a narrow one never looks wide: a header follows, not zeros
			if bytes.HasPrefix(buf, form) {
				return after + int64(len(form)), nil
			}
		}
	}
	return 0, malformed(e.Name, "the sizes behind its contents disagree with the directory")
}

func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	return truncated(err)
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed("", "it is truncated")
	}
	return err
}
