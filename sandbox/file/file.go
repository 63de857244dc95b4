// Package file is the sandbox file, cordage.yaml: what somebody wants a sandbox to be, kept beside their own files. It
// reads and checks the file, says where each setting of a sandbox comes from, and writes a first file. Only commands and
// front ends read sandbox files; a supervisor is told a [sandbox.Wish] and must not import this package.
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/strictyaml"
)

// Name is what a sandbox file is called where it is to be found by itself.
const Name = "cordage.yaml"

// File is a sandbox file that has been read and has no faults.
type File struct {
	Path   string                    // as it was given
	Name   string                    // of the sandbox; empty: not said
	Wish   sandbox.Wish              // all else that it says
	Places map[string]strictyaml.Pos // of what it says, by the keys of [Settings]
}

// NotThereError says that there is no sandbox file of a name that somebody gave.
type NotThereError struct{ Path string }

func (e *NotThereError) Error() string {
	return fmt.Sprintf("read sandbox file %s: there is no such file", e.Path)
}

// Hint is the command that makes one.
func (e *NotThereError) Hint() string { return "make one with: cordage init --file " + e.Path }

// Find reads the sandbox file of a directory; it is nil where there is none.
//
// Errors: those of [Read].
func Find(dir string) (*File, error) {
	f, err := Read(filepath.Join(dir, Name))
	if _, none := errors.AsType[*NotThereError](err); none {
		return nil, nil
	}
	return f, err
}

// Read reads a sandbox file.
//
// Errors: *NotThereError, [strictyaml.Faults] with all that is wrong in it.
func Read(path string) (*File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotThereError{path}
	}
	if err != nil {
		return nil, fmt.Errorf("read the sandbox file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, strictyaml.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read sandbox file %s: %w", path, err)
	}
	return Parse(path, text)
}

// Parse reads the text of a sandbox file. An empty one is a file that says nothing.
//
// Errors: [strictyaml.Faults].
func Parse(path string, text []byte) (*File, error) {
	d := &decoder{
		Reader: strictyaml.Reader{File: path}, file: &File{Path: path, Places: map[string]strictyaml.Pos{}}, ports: map[int]string{},
	}
	if root := d.Tree(text); root != nil {
		d.members(root)
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return d.file, nil
}

// decoder turns the syntax tree into a wish and collects faults.
type decoder struct {
	strictyaml.Reader

	file  *File
	ports map[int]string // by number, what is to listen there
}

// Keys of the file.
const (
	keyName      = "name"
	keyRuntime   = "runtime"
	keyImages    = "images"
	keyReplicas  = "replicas"
	keyLimits    = "limits"
	keyDatabases = "databases"
	keyPorts     = "ports"
	keyTopics    = "topics"
	keyKafka     = "kafka"
	keyLogLevel  = "logLevel"
	keyLogLevels = "logLevels"
	keySeed      = "seed"
)

func keys() []string {
	return []string{
		keyName, keyRuntime, keyImages, keyReplicas, keyLimits, keyDatabases, keyPorts, keyTopics, keyKafka, keyLogLevel, keyLogLevels, keySeed,
	}
}

func (d *decoder) members(root ast.Node) {
	for _, e := range d.Entries(root, "a sandbox file", keys()...) {
		switch n := e.Value; e.Key {
		case keyName:
			d.file.Name = d.Word(n, e.Key)
			d.check(n, sandbox.CheckName(d.file.Name))
			d.file.Places[e.Key] = e.Pos
		case keyRuntime:
			d.wish(e.Key, n, e.Pos, sandbox.Wish{Runtime: d.OneOf(n, e.Key, sandbox.Auto, sandbox.Processes, sandbox.Containers)})
		case keyDatabases:
			d.wish(e.Key, n, e.Pos, sandbox.Wish{Databases: sandbox.Databases(d.OneOf(n, e.Key, string(sandbox.Shared), string(sandbox.Separate)))})
		case keyLogLevel:
			d.wish(e.Key, n, e.Pos, sandbox.Wish{LogLevel: d.OneOf(n, e.Key, sandbox.LogLevels()...)})
		case keySeed:
			d.wish(e.Key, n, e.Pos, sandbox.Wish{Seed: d.seed(n)})
		case keyTopics:
			for _, m := range d.object(e, "partitions") {
				d.wish(inside(e, m), m.Value, m.Pos, sandbox.Wish{Partitions: d.Number(m.Value, "partitions", 1, sandbox.MaxPartitions)})
			}
		case keyKafka:
			for _, m := range d.object(e, "brokers") {
				d.wish(inside(e, m), m.Value, m.Pos, sandbox.Wish{Brokers: d.Number(m.Value, "brokers", 1, sandbox.Replication)})
			}
		case keyImages:
			for _, m := range d.object(e, "postgres", "kafka", "base") {
				d.wish(inside(e, m), m.Value, m.Pos, sandbox.Wish{Images: d.image(m)})
			}
		case keyReplicas:
			for _, m := range d.object(e, sandbox.RoleNames()...) {
				n := d.Number(m.Value, "replicas of "+m.Key, 0, sandbox.MaxReplicas)
				d.wish(inside(e, m), m.Value, m.Pos, sandbox.Wish{Replicas: map[string]int{m.Key: n}})
			}
		case keyLogLevels:
			for _, m := range d.object(e, sandbox.RoleNames()...) {
				level := d.OneOf(m.Value, "the log level of "+m.Key, sandbox.LogLevels()...)
				d.wish(inside(e, m), m.Value, m.Pos, sandbox.Wish{LogLevels: map[string]string{m.Key: level}})
			}
		case keyPorts:
			for _, m := range d.object(e) {
				d.port(inside(e, m), m)
			}
		case keyLimits:
			for _, m := range d.object(e, sandbox.Limited()...) {
				d.limit(inside(e, m), m)
			}
		}
	}
}

func inside(outer, inner strictyaml.Entry) string { return outer.Key + "." + inner.Key }

// object gives the members of an object; an empty value has none, which is what is left when all are commented out.
func (d *decoder) object(e strictyaml.Entry, allowed ...string) []strictyaml.Entry {
	if _, empty := e.Value.(*ast.NullNode); empty {
		return nil
	}
	return d.Entries(e.Value, e.Key, allowed...)
}

// wish takes over a setting, after the same checks that every wish gets.
func (d *decoder) wish(key string, n ast.Node, pos strictyaml.Pos, w sandbox.Wish) {
	_, err := w.Apply(sandbox.DefaultSpec(sandbox.DefaultName), false)
	d.check(n, err)
	d.file.Wish = w.Over(d.file.Wish)
	d.file.Places[key] = pos
}

// check notes an error as a fault, unless the value has a fault already.
func (d *decoder) check(n ast.Node, err error) {
	if err != nil && d.Clean(d.Pos(n)) {
		d.Fault(d.Pos(n), "%v", err)
	}
}

func (d *decoder) seed(n ast.Node) uint64 {
	if i, ok := n.(*ast.IntegerNode); ok {
		if seed, err := strconv.ParseUint(i.GetToken().Value, 10, 64); err == nil && seed > 0 {
			return seed
		}
	}
	d.Fault(d.Pos(n), "seed must be a whole number from 1 to 18446744073709551615")
	return 0
}

func (d *decoder) port(key string, m strictyaml.Entry) {
	const most = 65535
	number := d.Number(m.Value, "port "+m.Key, 0, most)
	if other := d.ports[number]; number != 0 && other != "" {
		d.Fault(d.Pos(m.Value), "port %s is %d, which is that of %s already", m.Key, number, other)
	}
	d.ports[number] = m.Key
	d.wish(key, m.Value, m.Pos, sandbox.Wish{Ports: map[string]int{m.Key: number}})
}

func (d *decoder) image(m strictyaml.Entry) (i sandbox.Images) {
	name := d.Word(m.Value, "the image of "+m.Key)
	if !d.Clean(d.Pos(m.Value)) {
		return i
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) || strings.HasPrefix(name, "-") {
		d.Fault(d.Pos(m.Value), "the image of %s is %q; it must be the name of an image, such as postgres:14.4", m.Key, name)
	}
	switch m.Key {
	case "postgres":
		i.Postgres = name
	case "kafka":
		i.Kafka = name
	case "base":
		i.Base = name
	}
	return i
}

func (d *decoder) limit(key string, m strictyaml.Entry) {
	var limit sandbox.Limit
	parts := d.object(m, "memory", "cpus")
	for _, p := range parts {
		switch p.Key {
		case "memory":
			limit.MemoryBytes = d.bytes(p.Value)
		case "cpus":
			limit.CPUs = d.cores(p.Value)
		}
		d.file.Places[key+"."+p.Key] = p.Pos
	}
	d.wish(key, m.Value, m.Pos, sandbox.Wish{Limits: map[string]sandbox.Limit{m.Key: limit}})
	delete(d.file.Places, key)
}

func (d *decoder) cores(n ast.Node) float64 {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		if cores, err := strconv.ParseFloat(n.GetToken().Value, 64); err == nil && cores >= 0 {
			return cores
		}
	}
	d.Fault(d.Pos(n), "cpus must be a number of cores, such as 0.5")
	return 0
}

// units of memory, in bytes.
func units() map[string]int64 {
	return map[string]int64{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1e3, "MB": 1e6, "GB": 1e9}
}

// bytes reads an amount of memory: a number of bytes, or one with a unit.
func (d *decoder) bytes(n ast.Node) int64 {
	text := d.Text(n, "memory")
	parts := amount.FindStringSubmatch(text)
	var unit int64
	var number float64
	if parts != nil {
		unit = units()[parts[2]]
		number, _ = strconv.ParseFloat(parts[1], 64) // digits, as the pattern says
	}
	const most = 1 << 50
	if unit == 0 || unit == 1 && strings.Contains(parts[1], ".") || number*float64(unit) > most {
		d.Fault(d.Pos(n), "memory is %q; it must be a number of bytes, or one with a unit: %s", text,
			strings.Join(slices.Sorted(maps.Keys(units()))[1:], ", "))
		return 0
	}
	return int64(number * float64(unit))
}

// amount of memory: a number, and perhaps a unit.
var amount = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)$`) //nolint:gochecknoglobals // a constant
