package artefact

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFailures(t *testing.T) { // not parallel: it sets PATH
	cases := map[string]struct {
		mvn  string // what mvn does
		want string
		as   func(error) bool
	}{
		"Maven fails": {
			"echo '[ERROR] Could not transfer artifact: host is down'; exit 1", "exit code 1\n  Could not transfer artifact: host is down",
			func(err error) bool {
				e, ok := errors.AsType[*FetchError](err)
				return ok && e.Exit == 1 && e.Hint() != ""
			},
		},
		"the disk is full": {
			"echo '[ERROR] cannot write: No space left on device'; exit 1", "no space left on the disk",
			func(err error) bool { e, ok := errors.AsType[*DiskFullError](err); return ok && e.Hint() != "" },
		},
		"Maven brings nothing": {
			"exit 0", "Maven did not bring it",
			func(err error) bool { _, ok := errors.AsType[*ChecksumError](err); return ok },
		},
		"Maven brings another jar": {
			bring(t) + `; echo x >> "$d/notary-plugin-common-5.0.0.0.jar"`,
			"notary-plugin-common-5.0.0.0.jar: its SHA-256 is",
			func(err error) bool {
				e, ok := errors.AsType[*ChecksumError](err)
				return ok && e.Got != e.Want && e.Hint() != ""
			},
		},
	}
	for name, c := range cases {
		m := newMaven(t, c.mvn)
		t.Setenv("PATH", m.path())
		cache := open(t, Options{})
		_, err := cache.Maven(t.Context(), NotaryPlugins()...)
		if err == nil || !strings.Contains(err.Error(), c.want) || !c.as(err) {
			t.Errorf("%s: error is %v (%T); want %q", name, err, err, c.want)
		}
		wantEmptyTemp(t, cache)
		t.Setenv("PATH", strings.TrimPrefix(os.Getenv("PATH"), m.dir+":"))
	}
}

func TestMissingMaven(t *testing.T) { // not parallel: it sets PATH
	t.Setenv("PATH", t.TempDir())
	_, err := open(t, Options{}).Kafka(t.Context())
	missing, ok := errors.AsType[*MissingToolError](err)
	if !ok || missing.Tool != "mvn" || !strings.Contains(missing.Hint(), "install") {
		t.Errorf("error is %v; want a *MissingToolError for mvn with both ways out", err)
	}
	_, err = open(t, Options{Offline: true}).PostgreSQL(t.Context())
	if _, ok := errors.AsType[*OfflineError](err); !ok || !strings.Contains(err.Error(), "postgresql") {
		t.Errorf("offline with an empty cache: %v; want an *OfflineError", err)
	}
}

func TestUnusableCache(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	_, err := Open(Options{Dir: filepath.Join(file, "cache")})
	if e, ok := errors.AsType[*CacheError](err); !ok || !strings.Contains(e.Error(), file) || e.Hint() == "" {
		t.Errorf("error is %v; want a *CacheError that names the directory", err)
	}
	if _, err := Open(Options{Dir: "relative"}); err == nil {
		t.Error("a relative directory was accepted")
	}
}
