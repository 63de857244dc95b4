package artefact

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// MinJava is the oldest Java release that will do.
const MinJava = 17

// Java is a Java runtime on this machine.
type Java struct {
	Path    string // of the executable, absolute
	Version string // "17.0.15"
	Major   int    // 17
}

const javaAdvice = "install Java 17 or later (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17) and set JAVA_HOME to it; or, where a container engine runs: cordage up --runtime container"

// FindJava returns the Java of JAVA_HOME or, if that is not set, of the PATH. A JAVA_HOME that is set is obeyed, not
// passed over: everything else the user runs takes it too.
//
// Errors: *MissingToolError if there is none or it is older than 17.
func FindJava(ctx context.Context) (Java, error) {
	var path string
	from := "the PATH"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		path, from = filepath.Join(home, "bin", "java"), "JAVA_HOME ("+home+")"
		if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return Java{}, &MissingToolError{Tool: "java", Reason: from + " has no bin/java that can be run", Advice: javaAdvice}
		}
	} else {
		found, err := exec.LookPath("java")
		if err != nil {
			return Java{}, &MissingToolError{Tool: "java", Reason: "JAVA_HOME is not set and there is no java on the PATH", Advice: javaAdvice}
		}
		path = found
	}
	version, err := javaVersion(ctx, path)
	if err != nil {
		return Java{}, &MissingToolError{Tool: "java", Reason: fmt.Sprintf("the version of %s, from %s, cannot be told: %v", path, from, err), Advice: javaAdvice}
	}
	major, err := parseJavaMajor(version)
	if err != nil {
		return Java{}, &MissingToolError{Tool: "java", Reason: fmt.Sprintf("%s, from %s: %v", path, from, err), Advice: javaAdvice}
	}
	if major < MinJava {
		reason := fmt.Sprintf("%s, from %s, is Java %s; Kafka needs %d or later here", path, from, version, MinJava)
		return Java{}, &MissingToolError{Tool: "java", Reason: reason, Advice: javaAdvice}
	}
	return Java{Path: path, Version: version, Major: major}, nil
}

// javaVersion reads the file "release" that a Java runtime has beside bin, which costs nothing, or else asks java
// itself (a third of a second): on some systems java on the PATH is a script that chooses one.
func javaVersion(ctx context.Context, path string) (string, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(real), "..", "release")); err == nil {
			if v := releaseVersion(b); v != "" {
				return v, nil
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-version")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("java -version: %w", err)
	}
	return printedVersion(out)
}

func releaseVersion(release []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(release))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "JAVA_VERSION="); ok {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}

var versionLine = regexp.MustCompile(`(?m)^\S+ version "([^"]+)"`)

func printedVersion(out []byte) (string, error) {
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("java -version printed no version, but %.100q", out)
	}
	return string(m[1]), nil
}

// parseJavaMajor reads 17 from "17.0.15", 17 from "17-ea" and 8 from "1.8.0_382".
func parseJavaMajor(version string) (int, error) {
	rest, old := strings.CutPrefix(version, "1.")
	if !old {
		rest = version
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	major, err := strconv.Atoi(rest[:end])
	if err != nil {
		return 0, fmt.Errorf("%q is no Java version", version)
	}
	return major, nil
}
