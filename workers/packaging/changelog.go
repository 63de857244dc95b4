package packaging

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
)

// ChangeLog is a Liquibase file for a CorDapp's own tables.
type ChangeLog struct {
	Path    string // in the CPK or in the library jar that it came from: "migration/…"
	Content string // XML
}

const (
	maxChangeLog     = 4 << 20  // bytes of one Liquibase file
	maxChangeLogs    = 32 << 20 // bytes of those of one CPK together
	changeLogNesting = 2        // levels of jars inside a CPK that are searched
	changeLogRoot    = "databaseChangeLog"
)

// isMigration knows the paths at which Liquibase files may lie.
//
// Source: Corda 5.0, LiquibaseExtractorHelpers.
func isMigration(name string) bool {
	return strings.HasPrefix(name, "migration") && strings.EqualFold(path.Ext(name), ".xml")
}

func isJar(name string) bool { return strings.EqualFold(path.Ext(name), ".jar") }

// changeLogs collects the Liquibase files of one CPK. Files that are none and jars that cannot be read are left out
// with a warning, as their contents do not make the CPK invalid; limits are not forgiven.
type changeLogs struct {
	r        *reading
	found    []ChangeLog
	seen     map[string]bool
	warnings []string
	size     int
}

// file takes a file of the CPK or of a jar inside it.
func (c *changeLogs) file(name string, contents io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(contents, maxChangeLog+1))
	if err != nil {
		return err
	}
	why := ""
	switch {
	case len(text) > maxChangeLog:
		return &archive.LimitError{What: "size of a Liquibase file", Entry: name, Limit: maxChangeLog, Unit: "bytes"}
	case len(bytes.TrimSpace(text)) == 0:
		return nil
	case c.seen[name]:
		why = "another one has the same path"
	case !utf8.Valid(text):
		why = "it is not UTF-8"
	default:
		if err := checkChangeLog(text); err != nil {
			why = err.Error()
		}
	}
	if why != "" {
		c.warnings = append(c.warnings, fmt.Sprintf("%s is left out of the database changes: %s", name, why))
		return nil
	}
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	c.seen[name] = true
	if c.size += len(text); c.size > maxChangeLogs {
		return &archive.LimitError{What: "size of all Liquibase files", Limit: maxChangeLogs, Unit: "bytes"}
	}
	c.found = append(c.found, ChangeLog{Path: name, Content: string(text)})
	return nil
}

// checkChangeLog wants XML with a root element databaseChangeLog in a default namespace.
func checkChangeLog(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(asXML10(text)))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // known to be UTF-8, whatever it says
	root := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("it is not XML: %w", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || root {
			continue
		}
		root = true
		if start.Name.Local != changeLogRoot || start.Name.Space == "" {
			return fmt.Errorf("its root element is %q, not %s with a namespace", start.Name.Local, changeLogRoot)
		}
	}
	if !root {
		return errors.New("it has no root element")
	}
	return nil
}

// asXML10 rewrites the version of the XML declaration: change logs commonly say 1.1, which the decoder refuses although
// nothing of it is used.
func asXML10(text []byte) []byte {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	end := bytes.Index(text, []byte("?>"))
	if !bytes.HasPrefix(text, []byte("<?xml")) || end < 0 {
		return text
	}
	head := strings.NewReplacer(`version="1.1"`, `version="1.0"`, `version='1.1'`, `version='1.0'`).Replace(string(text[:end]))
	return append([]byte(head), text[end:]...)
}

// jar searches a jar that lies depth jars deep in the CPK (1: directly).
func (c *changeLogs) jar(name string, b *blob, depth int) error {
	a, err := archive.Open(b.r, b.size, c.r.Limits, c.r.meter)
	if err != nil {
		return c.forgive(name, err)
	}
	for _, e := range a.Entries {
		switch {
		case e.IsDir():
		case isMigration(e.Name):
			err = c.file(e.Name, a.Open(e))
		case isJar(e.Name) && depth < changeLogNesting:
			var inner *blob
			if inner, err = c.r.spool.keep(a, e, a.Open(e)); err == nil {
				err = c.jar(name+"/"+e.Name, inner, depth+1)
			}
		}
		if err != nil {
			return c.forgive(name, err)
		}
	}
	return nil
}

// forgive makes a warning of a jar's faults that are not limits.
func (c *changeLogs) forgive(name string, err error) error {
	if _, malformed := errors.AsType[*archive.FormatError](err); !malformed {
		return err
	}
	c.warnings = append(c.warnings, fmt.Sprintf("%s is not searched for database changes: %v", name, err))
	return nil
}
