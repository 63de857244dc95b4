package archive

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkName refuses names that mean another place or another name to some reader: absolute ones, "..", drive
// letters, backslashes, control characters, text that is not UTF-8.
func checkName(name string) error {
	switch {
	case name == "":
		return malformed("", "an entry has an empty name")
	case !utf8.ValidString(name):
		return malformed(name, "its name is not UTF-8")
	case strings.HasPrefix(name, "/"):
		return malformed(name, "its name is absolute")
	case strings.Contains(name, `\`):
		return malformed(name, "its name holds a backslash")
	case len(name) > 1 && name[1] == ':':
		return malformed(name, "its name begins with a drive letter")
	case strings.ContainsFunc(name, unicode.IsControl):
		return malformed(name, "its name holds a control character")
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		switch part {
		case "..", ".":
			return malformed(name, "its name leads out of the archive or is not plain (%q)", part)
		case "":
			return malformed(name, "its name has an empty part")
		}
	}
	return nil
}
