package archive

import (
	"fmt"
	"sync/atomic"
)

// Limits bound what a hostile archive can cost. A zero field means its default.
type Limits struct {
	FileSize  int64 // bytes of the archive file itself; 512 MiB
	Entries   int   // files and directories in one archive; 65,535
	EntrySize int64 // bytes of one entry when expanded; 512 MiB
	Total     int64 // bytes expanded in a whole reading, nested archives included; 2 GiB
	Ratio     int64 // expanded to compressed size of an entry larger than 1 MiB; 200
	Name      int   // bytes of an entry's name; 1,024
}

const ratioFloor = 1 << 20 // small entries may compress well: an empty class list, a blank image

// WithDefaults replaces zero fields.
func (l Limits) WithDefaults() Limits {
	def := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.FileSize, 512<<20)
	def(&l.EntrySize, 512<<20)
	def(&l.Total, 2<<30)
	def(&l.Ratio, 200)
	if l.Entries <= 0 {
		l.Entries = 65535
	}
	if l.Name <= 0 {
		l.Name = 1024
	}
	return l
}

// Meter counts the bytes expanded over all archives of one reading. It may be used by several goroutines.
type Meter struct {
	used  atomic.Int64
	limit int64
}

// NewMeter allows limit bytes.
func NewMeter(limit int64) *Meter { return &Meter{limit: limit} }

func (m *Meter) add(n int64) error {
	if m == nil {
		return nil
	}
	if m.used.Add(n) > m.limit {
		return &LimitError{What: "expanded size of all files together", Limit: m.limit, Unit: "bytes"}
	}
	return nil
}

// LimitError tells that an archive is larger than is allowed: a zip bomb, or a limit set too low.
type LimitError struct {
	What  string // what is too large
	Entry string // the entry, if it is one
	Limit int64
	Unit  string
}

func (e *LimitError) Error() string {
	if e.Entry != "" {
		return fmt.Sprintf("entry %q: %s is over the limit of %d %s", e.Entry, e.What, e.Limit, e.Unit)
	}
	return fmt.Sprintf("%s is over the limit of %d %s", e.What, e.Limit, e.Unit)
}

// FormatError tells that bytes are no archive that can be read in one way only.
type FormatError struct {
	Entry string // the entry at fault, if it is one
	Msg   string
}

func (e *FormatError) Error() string {
	if e.Entry != "" {
		return fmt.Sprintf("entry %q: %s", e.Entry, e.Msg)
	}
	return e.Msg
}

func malformed(entry, format string, args ...any) error {
	return &FormatError{Entry: entry, Msg: fmt.Sprintf(format, args...)}
}
