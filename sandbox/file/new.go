package file

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Schema is the JSON Schema of sandbox files, for editors.
//
//go:embed schema.json
var Schema []byte

//go:embed new.yaml
var newText string

// ExistsError says that there is a file already, which is not written over.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string {
	return fmt.Sprintf("write sandbox file %s: there is a file of that name, which is left as it is", e.Path)
}

// Hint is the way to another one.
func (e *ExistsError) Hint() string {
	return "write another one with: cordage init --file PATH; cordage config show tells what this one says"
}

// New is the text of a first sandbox file: every setting is there, with its default and what it does, and all but the name
// and the runtime are commented out, so that they stay open.
func New(name, runtime string) []byte {
	return []byte(strings.NewReplacer("\nname: default\n", "\nname: "+name+"\n", "\nruntime: auto\n", "\nruntime: "+runtime+"\n").Replace(newText))
}

// Write writes a first sandbox file.
//
// Errors: *ExistsError.
func Write(path, name, runtime string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it holds no secrets, and is to be shared
	if errors.Is(err, fs.ErrExist) {
		return &ExistsError{path}
	}
	if err == nil {
		_, err = f.Write(New(name, runtime))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("write the sandbox file: %w", err)
	}
	return nil
}
