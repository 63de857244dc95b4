package artefact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain lets the test binary be another process that uses the same cache: see TestConcurrentFetches.
func TestMain(m *testing.M) {
	if dir := os.Getenv("CORDAGE_TEST_FETCH"); dir != "" {
		cache, err := Open(Options{Dir: dir})
		if err == nil {
			_, err = cache.Maven(context.Background(), NotaryPlugins()...)
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "cordage-artefact-")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	jars = sync.OnceValues(func() (string, error) {
		cache, err := Open(Options{Dir: filepath.Join(dir, "cache")})
		if err != nil {
			return "", err
		}
		files, err := cache.Maven(context.Background(), NotaryPlugins()...)
		if err != nil {
			return "", err
		}
		return filepath.Dir(files[0]), nil
	})
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// jars is a directory with the jars that Maven brings, fetched once: Maven takes seconds each time.
var jars func() (string, error)

// bring is a shell script that does what mvn does, without Maven: it copies the jars to where they are wanted.
func bring(t *testing.T) string {
	t.Helper()
	dir, err := jars()
	if err != nil {
		t.Fatal(err)
	}
	return findOutput + `mkdir -p "$d"; cp '` + dir + `'/*.jar "$d"`
}

const findOutput = `for a; do case $a in -DoutputDirectory=*) d="${a#*=}";; esac; done; `

// maven is a program mvn that counts its calls and then is the real one, or what instead says.
type maven struct {
	dir   string // to be put on the PATH
	calls string // file
}

func newMaven(t *testing.T, instead string) maven {
	t.Helper()
	m := maven{dir: t.TempDir()}
	m.calls = filepath.Join(m.dir, "calls")
	real, err := exec.LookPath("mvn")
	if err != nil {
		t.Fatal(err)
	}
	if instead == "" {
		instead = `exec "` + real + `" "$@"`
	}
	script := "#!/bin/sh\necho call >> '" + m.calls + "'\n" + instead + "\n"
	path := filepath.Join(m.dir, "mvn")
	write(t, path, script)
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m maven) path() string { return m.dir + ":" + os.Getenv("PATH") }

func (m maven) count(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(m.calls)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("call"))
}

func open(t *testing.T, o Options) *Cache {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "cache")
	}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fetch(t *testing.T, c *Cache) []string {
	t.Helper()
	files, err := c.Maven(t.Context(), NotaryPlugins()...)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func wantEmptyTemp(t *testing.T, c *Cache) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(c.Dir(), "tmp", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFetchOnceThenOffline(t *testing.T) { // not parallel: it sets PATH
	m := newMaven(t, "")
	t.Setenv("PATH", m.path())
	var steps []Step
	c := open(t, Options{Progress: func(e Event) { steps = append(steps, e.Step) }})
	files := fetch(t, c)
	for i, f := range files {
		if filepath.Base(f) != NotaryPlugins()[i].file() {
			t.Errorf("file %d is %s", i, f)
		}
	}
	if len(steps) < 3 || steps[0] != Resolving || steps[len(steps)-1] != Ready {
		t.Errorf("steps are %v", steps)
	}
	wantEmptyTemp(t, c)

	offline := open(t, Options{Dir: c.Dir(), Offline: true})
	if again := fetch(t, offline); again[0] != files[0] {
		t.Errorf("the second time the files are %v, before %v", again, files)
	}
	if n := m.count(t); n != 1 {
		t.Errorf("mvn was called %d times, want once", n)
	}
}

// TestDamagedFileIsRepaired: a byte is changed, a file is gone, the record is nonsense.
func TestDamagedFileIsRepaired(t *testing.T) { // not parallel: it sets PATH
	m := newMaven(t, bring(t))
	t.Setenv("PATH", m.path())
	var events []Event
	c := open(t, Options{Progress: func(e Event) { events = append(events, e) }})
	file := fetch(t, c)[1]
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	bad[len(bad)/2] ^= 1
	damages := map[string]func() error{
		"a changed byte": func() error { return os.WriteFile(file, bad, 0o644) },
		"truncated":      func() error { return os.Truncate(file, 10) },
		"gone":           func() error { return os.Remove(file) },
		"bad record":     func() error { return os.WriteFile(filepath.Join(filepath.Dir(file), manifestName), []byte("{"), 0o644) },
	}
	offline := open(t, Options{Dir: c.Dir(), Offline: true})
	for name, damage := range damages {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		damaged := file
		if name == "bad record" {
			damaged = filepath.Join(filepath.Dir(file), manifestName)
		}
		_, err := offline.Maven(t.Context(), NotaryPlugins()...)
		if refused, ok := errors.AsType[*OfflineError](err); !ok || !strings.Contains(err.Error(), damaged) || refused.Hint() == "" {
			t.Errorf("%s: offline: %v; want an *OfflineError that names %s", name, err, damaged)
		}
		events = nil
		fetch(t, c)
		if len(events) == 0 || events[0].Step != Repairing || events[0].What != damaged {
			t.Errorf("%s: events are %+v; want a repair of %s first", name, events, damaged)
		}
		if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, good) {
			t.Errorf("%s: the file was not repaired: %v", name, err)
		}
	}
	wantEmptyTemp(t, c)
}

// TestTouchedFilesAreKept: a cache restored by a CI system has other times, and needs no Maven.
func TestTouchedFilesAreKept(t *testing.T) { // not parallel: it sets PATH
	t.Setenv("PATH", newMaven(t, bring(t)).path())
	c := open(t, Options{})
	file := fetch(t, c)[0]
	t.Setenv("PATH", t.TempDir())
	if err := os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	fetch(t, c)
	if err := quick(filepath.Dir(file), mustSet(t).digest()); err != nil {
		t.Errorf("the new times were not recorded: %v", err)
	}
}

func TestConcurrentFetches(t *testing.T) { // not parallel: it sets PATH
	m := newMaven(t, bring(t)+"; sleep 0.2") // long enough for all to come
	t.Setenv("PATH", m.path())
	dir := filepath.Join(t.TempDir(), "cache")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const processes = 4
	var wait sync.WaitGroup
	for range processes {
		wait.Go(func() {
			cmd := exec.CommandContext(t.Context(), self) //nolint:gosec // this test
			cmd.Env = append(os.Environ(), "CORDAGE_TEST_FETCH="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wait.Wait()
	if n := m.count(t); n != 1 {
		t.Errorf("%d processes called mvn %d times, want once", processes, n)
	}
	c := open(t, Options{Dir: dir, Offline: true})
	fetch(t, c)
	wantEmptyTemp(t, c)
}

// TestKilledFetch: a process that is killed in the middle leaves nothing that the next one takes for whole.
func TestKilledFetch(t *testing.T) { // not parallel: it sets PATH
	m := newMaven(t, findOutput+`mkdir -p "$d"; echo half > "$d/notary-plugin-common-5.0.0.0.jar"; echo $$ > "$d/../../../pid"; exec sleep 60`)
	dir := filepath.Join(t.TempDir(), "cache")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self) //nolint:gosec // this test
	cmd.Env = append(os.Environ(), "CORDAGE_TEST_FETCH="+dir, "PATH="+m.path())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	await(t, "mvn to be started", func() bool {
		b, _ := os.ReadFile(filepath.Join(dir, "pid"))
		pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		return pid > 0
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if runtime.GOOS == "linux" {
		await(t, "mvn to end with its parent", func() bool {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			return err != nil || bytes.Contains(status, []byte("State:\tZ"))
		})
	}

	t.Setenv("PATH", newMaven(t, bring(t)).path())
	c := open(t, Options{Dir: dir})
	fetch(t, c)
	wantEmptyTemp(t, c)
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	const limit = 30 * time.Second
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); !done(); <-tick.C {
		if time.Since(began) > limit {
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

func TestCancelledFetch(t *testing.T) { // not parallel: it sets PATH
	m := newMaven(t, "exec sleep 60")
	t.Setenv("PATH", m.path())
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user pressed Ctrl-C")
	c := open(t, Options{Progress: func(e Event) {
		if e.Step == Resolving {
			time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
		}
	}})
	began := time.Now()
	_, err := c.Maven(ctx, NotaryPlugins()...)
	if !errors.Is(err, why) || time.Since(began) > 30*time.Second {
		t.Errorf("after %v: %v; want at once: %v", time.Since(began), err, why)
	}
	wantEmptyTemp(t, c)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	c := open(t, Options{})
	if found, missing, err := c.Check(t.Context()); err != nil || len(found) != 0 || len(missing) != 2 {
		t.Errorf("Check of an empty cache: %v, %v, %v", found, missing, err)
	}
	// A set that looks like Kafka's, recorded and then damaged without changing size or time.
	s := kafkaSet()
	dir := filepath.Join(c.Dir(), s.dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	jar := filepath.Join(dir, s.sums[0].name)
	write(t, jar, "content")
	if err := record(dir, s.digest()); err != nil {
		t.Fatal(err)
	}
	if found, missing, err := c.Check(t.Context()); err != nil || len(found) != 0 || len(missing) != 1 {
		t.Errorf("Check of a whole set: %v, %v, %v", found, missing, err)
	}
	info, err := os.Stat(jar)
	if err != nil {
		t.Fatal(err)
	}
	write(t, jar, "c0ntent")
	if err := os.Chtimes(jar, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if found, _, err := c.Check(t.Context()); err != nil || len(found) != 1 || found[0].File != jar {
		t.Errorf("Check of a damaged set: %v, %v; want a finding on %s", found, err, jar)
	}
}

func TestBuild(t *testing.T) {
	t.Parallel()
	c := open(t, Options{})
	fail := errors.New("it does not work")
	bad := func(_ context.Context, dir string) error {
		write(t, filepath.Join(dir, "half"), "")
		return fail
	}
	if _, err := c.Build(t.Context(), "made/thing", "a thing", bad); !errors.Is(err, fail) {
		t.Errorf("Build whose function fails: %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.Dir(), "made", "thing")); err == nil {
		t.Error("a half-made thing is there")
	}
	var mu sync.Mutex
	built := 0
	good := func(_ context.Context, dir string) error {
		mu.Lock()
		defer mu.Unlock()
		built++
		write(t, filepath.Join(dir, "whole"), "")
		return nil
	}
	var wait sync.WaitGroup
	for range 5 {
		wait.Go(func() {
			dir, err := c.Build(t.Context(), "made/thing", "a thing", good)
			if err != nil {
				t.Error(err)
			} else if _, err := os.Stat(filepath.Join(dir, "whole")); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if built != 1 {
		t.Errorf("it was built %d times", built)
	}
	dir := filepath.Join(c.Dir(), "made", "thing")
	write(t, filepath.Join(dir, "whole"), "not any more")
	if found, _, err := c.Check(t.Context()); err != nil || len(found) != 1 || found[0].Dir != dir {
		t.Errorf("Check of what was built and damaged: %v, %v", found, err)
	}
	if _, err := c.Build(t.Context(), "made/thing", "a thing", good); err != nil || built != 2 {
		t.Errorf("what is damaged was built %d times, want once more: %v", built, err)
	}
	if err := os.Chtimes(filepath.Join(dir, "whole"), time.Time{}, time.Now()); err != nil { // as in a restored cache
		t.Fatal(err)
	}
	if _, err := c.Build(t.Context(), "made/thing", "a thing", good); err != nil || built != 2 {
		t.Errorf("what only looks newer was built %d times: %v", built, err)
	}
	wantEmptyTemp(t, c)
}
