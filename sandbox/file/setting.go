package file

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/strictyaml"
)

// Origin is where a setting comes from. A later one comes over an earlier one.
type Origin string

const (
	FromDefault Origin = "default"
	FromKept    Origin = "kept" // in the sandbox: from an earlier start
	FromFile    Origin = "file"
	FromFlag    Origin = "flag"
)

// Setting is one setting of a sandbox.
type Setting struct {
	Key   string `json:"key"`   // as in the sandbox file, with points between: replicas.rest
	Value any    `json:"value"` // string, int, uint64 or float64
	From  Origin `json:"from"`
	Place string `json:"place,omitempty"` // the flag, or FILE:LINE
	Fixed bool   `json:"fixed,omitempty"` // baked into the sandbox's data: it cannot change any more
}

// Sources are what settings are made of.
type Sources struct {
	Kept   sandbox.Spec // of the sandbox, or that of a new one
	Stored bool         // the sandbox has data
	File   *File        // nil: none
	Flags  sandbox.Wish
	Named  bool // the name was given by a flag
}

// Wish is what file and flags ask for.
func (s Sources) Wish() sandbox.Wish {
	if s.File == nil {
		return s.Flags
	}
	return s.Flags.Over(s.File.Wish)
}

// Settings gives all settings that the next start of a sandbox has, and where each comes from.
//
// Errors: those of [sandbox.Wish.Apply], with the settings that would be.
func Settings(s Sources) ([]Setting, error) {
	wish := s.Wish()
	spec, err := wish.Apply(s.Kept, s.Stored)
	spec.Runtime = s.runtime(wish)
	usual := values(sandbox.DefaultSpec(s.Kept.Name))
	kept := values(s.Kept)
	flags := asked(s.Flags)
	if s.Named {
		flags[keyName] = "--name"
	}
	var all []Setting
	for key, value := range values(spec) {
		set := Setting{Key: key, Value: value, From: FromDefault, Fixed: s.Stored && slices.Contains(fixed(), key)}
		if set.Fixed || kept[key] != usual[key] && key != keyRuntime {
			set.From = FromKept
		}
		if place, ok := s.place(key); ok && !set.Fixed {
			set.From, set.Place = FromFile, fmt.Sprintf("%s:%d", place.File, place.Line)
		}
		if flag, ok := flags[key]; ok && !set.Fixed {
			set.From, set.Place = FromFlag, flag
		}
		all = append(all, set)
	}
	order := keys()
	slices.SortFunc(all, func(a, b Setting) int {
		x, _, _ := strings.Cut(a.Key, ".")
		y, _, _ := strings.Cut(b.Key, ".")
		return cmp.Or(cmp.Compare(slices.Index(order, x), slices.Index(order, y)), cmp.Compare(a.Key, b.Key))
	})
	return all, err
}

// runtime is the one of the next start, or auto where it is chosen then.
func (s Sources) runtime(w sandbox.Wish) string {
	if s.Stored {
		return s.Kept.Runtime
	}
	return cmp.Or(w.Runtime, sandbox.Auto)
}

// fixed are the keys of what is baked into a sandbox's data.
func fixed() []string {
	return []string{keyRuntime, keyDatabases, keyTopics + ".partitions", keyKafka + ".brokers"}
}

func (s Sources) place(key string) (strictyaml.Pos, bool) {
	if s.File == nil {
		return strictyaml.Pos{}, false
	}
	for at, pos := range s.File.Places {
		if canonical(at) == key {
			return pos, true
		}
	}
	return strictyaml.Pos{}, false
}

// canonical is the key of a port by its purpose where it has a name.
func canonical(key string) string {
	if port, ok := strings.CutPrefix(key, keyPorts+"."); ok {
		for purpose, node := range sandbox.Purposes() {
			if node == port {
				return keyPorts + "." + purpose
			}
		}
	}
	return key
}

// values flattens a specification. Ports are there for each purpose that has a name, 0 for a free one.
func values(s sandbox.Spec) map[string]any {
	all := map[string]any{
		keyName: s.Name, keyRuntime: s.Runtime, keyDatabases: string(s.Databases), keyTopics + ".partitions": s.Partitions,
		keyKafka + ".brokers": max(1, s.Brokers), keyLogLevel: s.LogLevel,
	}
	for purpose, key := range sandbox.Purposes() {
		all[keyPorts+"."+purpose] = s.Ports[key]
	}
	for key, number := range s.Ports {
		all[canonical(keyPorts+"."+key)] = number
	}
	for name, n := range s.Replicas {
		all[keyReplicas+"."+name] = n
	}
	for name, level := range s.LogLevels {
		all[keyLogLevels+"."+name] = level
	}
	for name, l := range s.Limits {
		if l.MemoryBytes != 0 {
			all[keyLimits+"."+name+".memory"] = Bytes(l.MemoryBytes)
		}
		if l.CPUs != 0 {
			all[keyLimits+"."+name+".cpus"] = l.CPUs
		}
	}
	for name, image := range map[string]string{"postgres": s.Images.Postgres, "kafka": s.Images.Kafka, "base": s.Images.Base} {
		if image != "" {
			all[keyImages+"."+name] = image
		}
	}
	if s.Seed != 0 {
		all[keySeed] = s.Seed
	}
	return all
}

// asked gives the flags by which the settings of a wish are asked for.
func asked(w sandbox.Wish) map[string]string {
	flags := map[string]string{}
	single := func(key, flag string, given bool) {
		if given {
			flags[key] = flag
		}
	}
	single(keyRuntime, "--runtime", w.Runtime != "")
	single(keyDatabases, "--databases", w.Databases != "")
	single(keyTopics+".partitions", "--partitions", w.Partitions != 0)
	single(keyKafka+".brokers", "--brokers", w.Brokers != 0)
	single(keyLogLevel, "--log-level", w.LogLevel != "")
	single(keySeed, "--seed", w.Seed != 0)
	single(keyImages+".postgres", "--postgres-image", w.Images.Postgres != "")
	single(keyImages+".kafka", "--kafka-image", w.Images.Kafka != "")
	single(keyImages+".base", "--base-image", w.Images.Base != "")
	for name := range maps.Keys(w.Replicas) {
		flags[keyReplicas+"."+name] = "--replicas"
	}
	for name := range maps.Keys(w.Ports) {
		flags[canonical(keyPorts+"."+name)] = "--port"
	}
	return flags
}

// Bytes writes an amount of memory as in the file, in the largest unit that gives a whole number.
func Bytes(n int64) string {
	for _, unit := range []string{"GiB", "MiB", "KiB"} {
		if size := units()[unit]; n != 0 && n%size == 0 {
			return fmt.Sprintf("%d%s", n/size, unit)
		}
	}
	return fmt.Sprint(n)
}
