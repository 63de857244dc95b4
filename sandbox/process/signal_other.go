//go:build !linux

package process

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}

func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
}
