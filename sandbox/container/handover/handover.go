// Package handover brings files into a container that has no shell: the program in it reads them from its standard input
// and keeps them on a memory disk. So no secret is in what the engine keeps of a container: its arguments, environment,
// labels and layers. Workers must not import it.
package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Limit is how much may be handed over, in bytes as it is written: contents take a third more than themselves.
const Limit = 4 << 20

// Write writes files, by base name, for [Receive].
func Write(to io.Writer, files map[string][]byte) error {
	for name := range files {
		if err := checkName(name); err != nil {
			return fmt.Errorf("hand over files: %w", err)
		}
	}
	text, err := json.Marshal(files)
	if err != nil {
		return fmt.Errorf("hand over files: %w", err)
	}
	if len(text) > Limit {
		return fmt.Errorf("hand over files: they take %d bytes; at most %d fit", len(text), Limit)
	}
	_, err = to.Write(text)
	return err
}

// checkName keeps files in their directory.
func checkName(name string) error {
	if name != filepath.Base(name) || name == "." || name == ".." || name == "/" {
		return fmt.Errorf("%q is no base name", name)
	}
	return nil
}

// Receive reads files and keeps each in dir, readable by its owner only; a file that is there is replaced in one step.
func Receive(from io.Reader, dir string) error {
	var files map[string][]byte
	if err := json.NewDecoder(io.LimitReader(from, Limit)).Decode(&files); err != nil {
		return fmt.Errorf("receive files: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := checkName(name); err != nil {
			return fmt.Errorf("receive files: %w", err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", files[name], 0o600); err != nil {
			return fmt.Errorf("receive file: %w", err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			return fmt.Errorf("receive file: %w", err)
		}
	}
	return nil
}

// Main receives files into a directory and then becomes another program, if one is given: "DIR [-- PROGRAM ARGUMENT...]".
func Main(args []string, from io.Reader) error {
	if len(args) == 0 {
		return errors.New("receive files: no directory is given")
	}
	dir, command := args[0], args[1:]
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if err := Receive(from, dir); err != nil {
		return err
	}
	if len(command) == 0 {
		return nil
	}
	if err := syscall.Exec(command[0], command, os.Environ()); err != nil {
		return fmt.Errorf("run %s: %w", command[0], err)
	}
	return nil
}
