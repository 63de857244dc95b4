// Package builtin holds the scenarios that ship with Cordage, as files.
package builtin

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names lists the built-in scenarios.
func Names() []string {
	entries, _ := fs.ReadDir(files, ".") // an embedded directory can be read
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Read gives the text of a built-in scenario and the name of its file.
func Read(name string) (file string, text []byte, err error) {
	file = name + ".yaml"
	text, err = files.ReadFile(file)
	return file, text, err
}
