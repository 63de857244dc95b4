package artefact

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// The versions that Cordage runs: those Corda 5.0 supports.
const (
	PostgreSQLVersion = "14.4.0"
	KafkaVersion      = "3.2.0"
)

//go:embed pin
var pins embed.FS

// Coordinate names a jar as Maven does.
type Coordinate struct{ Group, Artifact, Version string }

func (c Coordinate) String() string { return c.Group + ":" + c.Artifact + ":" + c.Version }

func (c Coordinate) file() string { return c.Artifact + "-" + c.Version + ".jar" }

// NotaryPlugins are R3's released CorDapp packages (CPKs) of the non-validating notary for Corda 5.0, signed with
// R3's production certificate.
func NotaryPlugins() []Coordinate {
	return []Coordinate{
		{"com.r3.corda.notary.plugin.common", "notary-plugin-common", "5.0.0.0"},
		{"com.r3.corda.notary.plugin.nonvalidating", "notary-plugin-non-validating-api", "5.0.0.0"},
		{"com.r3.corda.notary.plugin.nonvalidating", "notary-plugin-non-validating-client", "5.0.0.0"},
	}
}

// PostgreSQL is an unpacked PostgreSQL.
type PostgreSQL struct {
	Dir     string // holds bin, lib and share; absolute
	Version string // "14.4.0"; "14.x.0" where a platform has no 14.4
}

// Bin is the path of an executable: "postgres" or "initdb".
func (p PostgreSQL) Bin(name string) string { return filepath.Join(p.Dir, "bin", name) }

// Kafka is Kafka's jars.
type Kafka struct {
	Jars    []string // absolute paths, in the order of the class path
	Version string   // "3.2.0"
}

// ClassPath is the value of java's -cp.
func (k Kafka) ClassPath() string { return strings.Join(k.Jars, string(filepath.ListSeparator)) }

// set is a group of files that are fetched, verified and replaced as one.
type set struct {
	name, version string
	dir           string // inside the cache
	coords        []Coordinate
	transitive    bool
	sums          []sum                               // every jar that Maven must bring, and no other
	unpack        func(u unpacking, jar string) error // nil: the jars themselves are wanted
}

type sum struct {
	name   string
	size   int64
	sha256 string
}

func (s set) String() string { return s.name + " " + s.version }

// digest identifies what the set must hold, so that a cache made by a Cordage with other pins is not taken for ours.
func (s set) digest() string {
	h := sha256.New()
	for _, p := range s.sums {
		fmt.Fprintln(h, p.sha256, p.size, p.name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (s set) bytes() (n int64) {
	for _, p := range s.sums {
		n += p.size
	}
	return n
}

func kafkaSet() set {
	return set{
		name: "kafka", version: KafkaVersion, dir: filepath.Join("kafka", KafkaVersion), transitive: true,
		coords: []Coordinate{
			{"org.apache.kafka", "kafka_2.13", KafkaVersion},
			{"org.slf4j", "slf4j-reload4j", "1.7.36"}, // Kafka's own choice of a log back end
		},
		sums: readSums("pin/kafka.sums"),
	}
}

// platforms tells the binaries for each kind of machine. Two have no 14.4.0; they get the nearest that was released.
var platforms = map[string]struct{ classifier, version string }{ //nolint:gochecknoglobals // a table, never written
	"linux/amd64":  {"linux-amd64", PostgreSQLVersion},
	"linux/arm64":  {"linux-arm64v8", "14.8.0"},
	"darwin/amd64": {"darwin-amd64", PostgreSQLVersion},
	"darwin/arm64": {"darwin-arm64v8", "14.5.0"},
}

func postgreSQLSet() (set, error) { return postgreSQLSetFor(runtime.GOOS + "/" + runtime.GOARCH) }

func postgreSQLSetFor(platform string) (set, error) {
	p, ok := platforms[platform]
	if !ok {
		return set{}, &PlatformError{Platform: platform}
	}
	c := Coordinate{"io.zonky.test.postgres", "embedded-postgres-binaries-" + p.classifier, p.version}
	sums, err := pick(readSums("pin/postgresql.sums"), []Coordinate{c})
	if err != nil {
		return set{}, err
	}
	return set{
		name: "postgresql", version: p.version, dir: filepath.Join("postgresql", p.version+"-"+p.classifier),
		coords: []Coordinate{c}, sums: sums, unpack: unpackPostgreSQL,
	}, nil
}

func jarSet(coords []Coordinate) (set, error) {
	sums, err := pick(readSums("pin/cordapp.sums"), coords)
	if err != nil {
		return set{}, err
	}
	s := set{name: "cordapp", version: coords[0].Version, coords: coords, sums: sums}
	s.dir = filepath.Join("cordapp", s.digest()[:16])
	return s, nil
}

func pick(all []sum, coords []Coordinate) ([]sum, error) {
	if len(coords) == 0 {
		return nil, fmt.Errorf("fetch by Maven: no coordinate given")
	}
	var out []sum
	for _, c := range coords {
		found := false
		for _, s := range all {
			if s.name == c.file() {
				out, found = append(out, s), true
			}
		}
		if !found {
			return nil, fmt.Errorf("fetch %s: no checksum is pinned for it", c)
		}
	}
	return out, nil
}

// readSums reads an embedded file of lines "SHA-256 size name". It is part of the program: a fault in it is a fault
// of the build, found by the package's tests.
func readSums(file string) []sum {
	b, err := pins.ReadFile(file)
	if err != nil {
		panic(err)
	}
	var out []sum
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 3 || len(f[0]) != sha256.Size*2 {
			panic(file + ": " + line)
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			panic(file + ": " + line)
		}
		out = append(out, sum{name: f[2], size: size, sha256: f[0]})
	}
	return out
}
