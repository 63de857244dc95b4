package artefact

import (
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPins checks the embedded files: every platform has a pinned jar, and the sets hold what they say.
func TestPins(t *testing.T) {
	t.Parallel()
	for platform := range platforms {
		if s, err := postgreSQLSetFor(platform); err != nil || len(s.sums) != 1 || s.sums[0].size < 1<<20 {
			t.Errorf("%s: %+v, %v", platform, s, err)
		}
	}
	if _, err := postgreSQLSetFor("plan9/mips"); err == nil {
		t.Error("there are binaries for plan9/mips")
	}
	var kafka []string
	for _, s := range kafkaSet().sums {
		kafka = append(kafka, s.name)
	}
	for _, want := range []string{"kafka_2.13-3.2.0.jar", "kafka-clients-3.2.0.jar", "slf4j-reload4j-1.7.36.jar"} {
		if !strings.Contains(strings.Join(kafka, " "), want) {
			t.Errorf("Kafka's jars lack %s", want)
		}
	}
	if _, err := jarSet(NotaryPlugins()); err != nil {
		t.Error(err)
	}
	if _, err := jarSet([]Coordinate{{"org.example", "unpinned", "1.0"}}); err == nil {
		t.Error("a jar without a pinned checksum was accepted")
	}
	if _, err := jarSet(nil); err == nil {
		t.Error("no coordinate at all was accepted")
	}
}

// TestPOM reads the POM as Maven would, and checks that no repository is named: Maven's own settings decide.
func TestPOM(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pom.xml")
	for _, s := range []set{kafkaSet(), mustSet(t)} {
		if err := (mavenRun{set: s}).writePOM(path); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var pom struct {
			Dependencies []struct {
				Group      string   `xml:"groupId"`
				Artifact   string   `xml:"artifactId"`
				Version    string   `xml:"version"`
				Exclusions []string `xml:"exclusions>exclusion>groupId"`
			} `xml:"dependencies>dependency"`
			Plugin       string     `xml:"build>plugins>plugin>version"`
			Repositories []struct{} `xml:"repositories>repository"`
		}
		if err := xml.Unmarshal(text, &pom); err != nil {
			t.Fatalf("%s: %v\n%s", s, err, text)
		}
		if len(pom.Dependencies) != len(s.coords) || pom.Plugin == "" || len(pom.Repositories) > 0 {
			t.Errorf("%s: POM is %+v", s, pom)
		}
		for i, d := range pom.Dependencies {
			if (Coordinate{d.Group, d.Artifact, d.Version}) != s.coords[i] || (len(d.Exclusions) > 0) == s.transitive {
				t.Errorf("%s: dependency %d is %+v", s, i, d)
			}
		}
		if bytes.Contains(text, []byte("<url>")) {
			t.Errorf("%s: the POM names a host", s)
		}
	}
}

func mustSet(t *testing.T) set {
	t.Helper()
	s, err := jarSet(NotaryPlugins())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMavenOutput(t *testing.T) {
	t.Parallel()
	var events []Event
	s := mustSet(t)
	o := mavenOutput{run: mavenRun{set: s, progress: func(e Event) { events = append(events, e) }}, total: s.bytes()}
	o.read(strings.NewReader(`[INFO] Scanning for projects...
Downloading from mirror: https://repository.example/x/notary-plugin-common-5.0.0.0.jar
Downloaded from mirror: https://repository.example/x/notary-plugin-common-5.0.0.0.jar (27 kB at 1.2 MB/s)
[INFO] Downloaded from central: https://repository.example/y/unrelated-1.0.jar (1 kB at 2 kB/s)
[INFO] Downloaded from central: https://repository.example/y/notary-plugin-non-validating-api-5.0.0.0.jar (8 kB at 2 kB/s)
[ERROR] Could not find artifact
[ERROR] 
[ERROR] -> [Help 1]
`))
	if len(events) != 2 || events[0].What != "notary-plugin-common-5.0.0.0.jar" || events[1].Done != 26939+7968 ||
		events[1].Total != s.bytes() || events[1].Step != Downloading {
		t.Errorf("progress is %+v", events)
	}
	if got := strings.Join(o.errors, "|"); got != "Could not find artifact|-> [Help 1]" {
		t.Errorf("error lines are %q", got)
	}
}

func TestDefaultDir(t *testing.T) { // not parallel: it sets environment variables
	t.Setenv("XDG_CACHE_HOME", "/some/where")
	if dir, err := DefaultDir(); err != nil || dir != "/some/where/cordage" {
		t.Errorf("with XDG_CACHE_HOME: %q, %v", dir, err)
	}
	t.Setenv("XDG_CACHE_HOME", "relative")
	t.Setenv("HOME", "/home/somebody")
	want := "/home/somebody/.cache/cordage"
	if os.Geteuid() == 0 {
		want = "/var/cache/cordage"
	}
	if dir, err := DefaultDir(); err != nil || dir != want {
		t.Errorf("with a relative XDG_CACHE_HOME: %q, %v; want %q", dir, err, want)
	}
}
