package artefact

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseJavaMajor(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		version string
		want    int // 0: an error
	}{
		"release":        {"17.0.15", 17},
		"early access":   {"24-ea", 24},
		"one number":     {"21", 21},
		"old numbering":  {"1.8.0_382", 8},
		"build metadata": {"11.0.2+9", 11},
		"empty":          {"", 0},
		"words":          {"not a version", 0},
	}
	for name, c := range cases {
		got, err := parseJavaMajor(c.version)
		if got != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("%s: parseJavaMajor(%q) = %d, %v; want %d", name, c.version, got, err, c.want)
		}
	}
}

func TestPrintedVersion(t *testing.T) {
	t.Parallel()
	out := "Picked up JAVA_TOOL_OPTIONS: -Dx=y\nopenjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment\n"
	if v, err := printedVersion([]byte(out)); err != nil || v != "17.0.15" {
		t.Errorf("printedVersion = %q, %v; want 17.0.15", v, err)
	}
	if v, err := printedVersion([]byte("no such thing")); err == nil {
		t.Errorf("printedVersion of nonsense = %q, want an error", v)
	}
}

// fakeJava makes a Java home whose java prints version, with a release file only if withRelease is set.
func fakeJava(t *testing.T, version string, withRelease bool) string {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho 'openjdk version \"" + version + "\" 2018-09-25' >&2\n"
	if withRelease {
		script = "#!/bin/sh\necho must not be run >&2; exit 1\n"
		write(t, filepath.Join(home, "release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\""+version+"\"\n")
	}
	write(t, filepath.Join(home, "bin", "java"), script)
	if err := os.Chmod(filepath.Join(home, "bin", "java"), 0o755); err != nil {
		t.Fatal(err)
	}
	return home
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFindJava(t *testing.T) { // not parallel: it sets environment variables
	ok := map[string]string{"release file": fakeJava(t, "17.0.9", true), "java -version": fakeJava(t, "21.0.1", false)}
	for name, home := range ok {
		t.Setenv("JAVA_HOME", home)
		if j, err := FindJava(t.Context()); err != nil || j.Path != filepath.Join(home, "bin", "java") || j.Major < MinJava {
			t.Errorf("%s: FindJava = %+v, %v", name, j, err)
		}
	}
	// On the PATH, through a link, as Linux distributions have it.
	links := t.TempDir()
	if err := os.Symlink(filepath.Join(ok["release file"], "bin", "java"), filepath.Join(links, "java")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JAVA_HOME", "")
	t.Setenv("PATH", links)
	if j, err := FindJava(t.Context()); err != nil || j.Version != "17.0.9" {
		t.Errorf("FindJava on the PATH = %+v, %v; want 17.0.9", j, err)
	}

	bad := map[string]struct{ home, path, want string }{
		"too old, release file":  {fakeJava(t, "11.0.2", true), links, "is Java 11.0.2"},
		"too old, java -version": {fakeJava(t, "1.8.0_382", false), links, "is Java 1.8.0_382"},
		"nonsense":               {fakeJava(t, "seventeen", false), links, "no Java version"},
		"home without java":      {t.TempDir(), links, "has no bin/java"},
		"nowhere":                {"", t.TempDir(), "no java on the PATH"},
	}
	for name, c := range bad {
		t.Setenv("JAVA_HOME", c.home)
		t.Setenv("PATH", c.path+":/bin")
		if c.home == "" {
			t.Setenv("PATH", c.path)
		}
		_, err := FindJava(t.Context())
		missing, ok := err.(*MissingToolError) //nolint:errorlint // exactly this type is promised
		if !ok || missing.Tool != "java" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: FindJava: %v; want a *MissingToolError with %q", name, err, c.want)
			continue
		}
		if h := missing.Hint(); !strings.Contains(h, "install Java 17") {
			t.Errorf("%s: the hint is %q", name, h)
		}
	}
}
