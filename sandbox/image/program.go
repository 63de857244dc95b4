package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// program is an executable on its way into an image: the file without its tables of symbols, which nothing reads at run
// time and which are a quarter of it.
type program struct {
	file *os.File
	head []byte // the ELF header, changed
	size int64  // up to the end of what is loaded
}

// openProgram opens an executable and checks that it can run in an empty image.
//
// Errors: *ProgramError.
func openProgram(path string) (*program, error) {
	if other := os.Getenv("CORDAGE_WORKER_PROGRAM"); other != "" {
		path = other
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &ProgramError{Path: path, Why: err.Error()}
	}
	p, why := inspect(f)
	if why != nil {
		f.Close()
		return nil, &ProgramError{Path: path, Why: why.Error()}
	}
	return p, nil
}

// Places in the header of a 64-bit ELF file. Source: System V ABI, ELF header.
const (
	headerSize  = 64
	sectionsAt  = 0x28 // e_shoff, 8 bytes
	sectionsNum = 0x3c // e_shnum and e_shstrndx, 2 bytes each
)

func inspect(f *os.File) (*program, error) {
	e, err := elf.NewFile(f)
	if err != nil {
		return nil, errors.New("it is no Linux executable")
	}
	if e.Class != elf.ELFCLASS64 {
		return nil, errors.New("it is no 64-bit executable")
	}
	p := &program{file: f, head: make([]byte, headerSize)}
	for _, s := range e.Progs {
		if s.Type == elf.PT_INTERP {
			return nil, errors.New("it is linked with the system's C library, which an empty image does not have")
		}
		p.size = max(p.size, int64(s.Off+s.Filesz)) //nolint:gosec // of a file that exists
	}
	if _, err := f.ReadAt(p.head, 0); err != nil {
		return nil, err
	}
	order := e.ByteOrder
	order.PutUint64(p.head[sectionsAt:], 0)
	order.PutUint32(p.head[sectionsNum:], 0)
	return p, nil
}

func (p *program) Close() error { return p.file.Close() }

// read gives the content.
func (p *program) read() io.Reader {
	return io.MultiReader(bytes.NewReader(p.head), io.NewSectionReader(p.file, headerSize, p.size-headerSize))
}

func (p *program) add(t *tar.Writer) error {
	if err := t.WriteHeader(&tar.Header{Name: "cordage", Mode: executable, Size: p.size}); err != nil {
		return err
	}
	if _, err := io.Copy(t, p.read()); err != nil {
		return fmt.Errorf("send the program: %w", err)
	}
	return nil
}

// programSum identifies the content of an executable.
func programSum(path string) (string, error) {
	p, err := openProgram(path)
	if err != nil {
		return "", err
	}
	defer p.Close()
	h := sha256.New()
	if _, err := io.Copy(h, p.read()); err != nil {
		return "", fmt.Errorf("read program %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}
