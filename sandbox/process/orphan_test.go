package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
)

// plan is what a supervisor of these tests starts before it waits to be killed.
type plan struct {
	Dir    string
	Specs  []sandbox.NodeSpec
	Files  []map[string][]byte // of the specs
	Mortal bool
}

// supervise is another process that starts nodes, tells their numbers, and does nothing more.
func supervise(text string) int {
	var p plan
	err := json.Unmarshal([]byte(text), &p)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	cache, err := artefact.Open(artefact.Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	self, err := os.Executable()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	r, err := New(Options{Dir: p.Dir, Cache: cache, Program: self, Mortal: p.Mortal})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for n, spec := range p.Specs {
		spec.Files = p.Files[n]
		i, err := r.Start(context.Background(), spec)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(i.ID())
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// killedSupervisor starts nodes from another process and kills that one with SIGKILL. It returns their process numbers.
func killedSupervisor(t *testing.T, p plan) (pids []int) {
	t.Helper()
	for _, s := range p.Specs {
		p.Files = append(p.Files, s.Files)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self) //nolint:gosec // this test
	cmd.Env = append(os.Environ(), "CORDAGE_TEST_SUPERVISE="+string(text))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for len(pids) < len(p.Specs) && lines.Scan() {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the supervisor says %q", lines.Text())
		}
		pids = append(pids, pid)
	}
	if len(pids) < len(p.Specs) {
		t.Fatalf("the supervisor started %d of %d nodes", len(pids), len(p.Specs))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return pids
}

func threeNodes(t *testing.T) []sandbox.NodeSpec {
	t.Helper()
	monitor := freePort(t)
	boot := fmt.Sprintf(`{"monitor":%q,"says":"crypto-1"}`, port.Address(monitor))
	return []sandbox.NodeSpec{
		{
			Name: "crypto-1", Kind: sandbox.Worker, Role: "crypto", Ports: map[string]int{"monitor": monitor},
			Files: map[string][]byte{bootFile: []byte(boot)},
		},
		{
			Name: "kafka-1", Kind: sandbox.Kafka,
			Ports: map[string]int{brokerPort: freePort(t), controllerPort: freePort(t)},
		},
		{
			Name: "postgres", Kind: sandbox.PostgreSQL, Ports: map[string]int{sqlPort: freePort(t)},
			Files: map[string][]byte{passwordFile: []byte("pw")},
		},
	}
}

// TestOrphans: after SIGKILL of the supervisor its nodes go on, and the next one finds, uses and stops them all.
func TestOrphans(t *testing.T) {
	t.Parallel()
	if !canSeeProcesses {
		t.Skip("on this system nodes of a killed supervisor are not found")
	}
	o := testOptions(t)
	specs := threeNodes(t)
	r := newTestRuntime(t, o)
	pids := killedSupervisor(t, plan{Dir: o.Dir, Specs: specs})
	found, err := r.Find(t.Context())
	if err != nil || len(found) != len(specs) {
		t.Fatalf("found %d nodes, %v; want %d", len(found), err, len(specs))
	}
	for n, i := range found {
		t.Cleanup(func() { _ = i.Kill(context.Background()) })
		if i.Node() != specs[n].Name || i.ID() != strconv.Itoa(pids[n]) || i.SpecHash() != specs[n].Hash() {
			t.Errorf("node %d is %s %s %s, want %s %d %s", n, i.Node(), i.ID(), i.SpecHash(), specs[n].Name, pids[n], specs[n].Hash())
		}
	}
	pg := probe.PostgreSQL{Port: specs[2].Ports[sqlPort], User: Superuser, Password: "pw", Database: "postgres"}
	all := probe.All{pg, probe.Kafka{Port: specs[1].Ports[brokerPort]}, probe.TCP{Address: port.Address(specs[0].Ports["monitor"])}}
	if err := probe.Wait(t.Context(), all, time.Minute, probe.Watched{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Start(t.Context(), specs[2]); err == nil {
		t.Error("a second PostgreSQL was started on the data of an orphan")
	}
	for _, i := range found {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := i.Stop(ctx); err != nil {
			t.Error(err)
		}
		cancel()
	}
	if left, err := r.Find(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("after all were stopped %d run, %v", len(left), err)
	}
	log, err := os.ReadFile(r.logFile("postgres"))
	if err != nil || !strings.Contains(string(log), "database system is shut down") {
		t.Errorf("the orphaned PostgreSQL was not stopped cleanly: %v\n%s", err, log)
	}
}

// TestOrphanedBackends: the server was killed, a busy backend works on. The next start ends it first.
func TestOrphanedBackends(t *testing.T) {
	t.Parallel()
	if !canSeeProcesses {
		t.Skip("on this system processes cannot be looked into")
	}
	p := testPostgreSQL(t, openTempDir(t))
	child := startServer(t, p)
	busy(t, p)
	if err := child.signalGroup(9); err != nil { // the server alone
		t.Fatal(err)
	}
	<-child.Done()
	if len(processesIn(p.Data)) == 0 {
		t.Fatal("no backend has outlived its server: the test shows nothing")
	}
	segment := sharedMemory(t, p)
	if err := startServer(t, p).Kill(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{segment, sharedMemory(t, p)} {
		b, err := os.ReadFile("/proc/sysvipc/shm")
		if err != nil {
			t.Skip("shared memory cannot be listed")
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[1] == id { // key, id, …
				t.Errorf("shared memory %s of a killed server is left", id)
			}
		}
	}
}

// sharedMemory reads the number of the server's segment from what it left.
func sharedMemory(t *testing.T, p PostgreSQL) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.Data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(strings.Split(string(b), "\n")[6])
	return f[1]
}

// busy has a session of the server compute, so that it does not notice when the server is killed.
func busy(t *testing.T, p PostgreSQL) {
	t.Helper()
	url := "postgres://postgres:" + p.Password + "@" + port.Address(p.Port) + "/postgres?sslmode=disable"
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	watch, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = conn.Exec(context.Background(), "DO $$ BEGIN LOOP END LOOP; END $$") }()
	await(t, "a busy session", func() error {
		var n int
		err := watch.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'").Scan(&n)
		if err == nil && n == 0 {
			err = errors.New("none")
		}
		return err
	})
}

// TestMortalNodes: nodes of tests end with the process that started them, however that ends.
func TestMortalNodes(t *testing.T) {
	t.Parallel()
	if !canSeeProcesses {
		t.Skip("on this system nodes do not end with the process that started them")
	}
	o := testOptions(t)
	r := newTestRuntime(t, o)
	pids := killedSupervisor(t, plan{Dir: o.Dir, Specs: threeNodes(t), Mortal: true})
	await(t, "all nodes to be gone", func() error {
		for _, pid := range pids {
			if _, err := birthOf(pid); err == nil {
				return fmt.Errorf("process %d runs", pid)
			}
		}
		if left := processesIn(r.dataDir("postgres")); len(left) > 0 {
			return fmt.Errorf("backends %v run", left)
		}
		return nil
	})
}

type condition struct {
	what string
	ask  func() error
}

func (c condition) Ask(context.Context) error { return c.ask() }
func (c condition) String() string            { return c.what }

func await(t *testing.T, what string, ask func() error) {
	t.Helper()
	if err := probe.Wait(t.Context(), condition{what, ask}, time.Minute, probe.Watched{}); err != nil {
		t.Fatal(err)
	}
}

// TestRotation: a node goes on writing into the file that was put aside and emptied.
func TestRotation(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	o.LogSize, o.LogCount, o.LogCheck = 20_000, 2, 10*time.Millisecond
	r := newTestRuntime(t, o)
	if err := r.makeNode("crypto-1"); err != nil {
		t.Fatal(err)
	}
	script := `i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo "this is line number $i"; done`
	child, err := Launch(Command{
		Node: "crypto-1", Path: "/bin/sh", Args: []string{"-c", script}, Dir: "/", Env: serverEnv(), Log: r.logFile("crypto-1"), DeathSignal: 9,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.tendLog(&instance{Child: child}) // returns when the node has ended
	files, err := filepath.Glob(r.logFile("crypto-1") + "*")
	if err != nil || len(files) != 3 {
		t.Errorf("there are logs %v, %v; want the log and two put aside", files, err)
	}
	log, err := r.Logs(t.Context(), "crypto-1", -1, false)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	last := 0
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if n, err := strconv.Atoi(strings.TrimPrefix(lines.Text(), "this is line number ")); err == nil {
			if n <= last {
				t.Fatalf("line %d comes after line %d", n, last)
			}
			last = n
		}
	}
	if !strings.Contains(child.Exit().Log, "line number 100000") && last != 100_000 {
		t.Errorf("the last line is %d, want 100000", last)
	}
	info, err := os.Stat(files[len(files)-1])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a log put aside is %v, %v; want mode 0600", info, err)
	}
}

// TestDamagedClassArchive: it makes the start quick; if it cannot be used the start is only slower.
func TestDamagedClassArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	archive := filepath.Join(dir, archiveName)
	if err := os.WriteFile(archive, []byte("not an archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := Kafka{
		Node: "kafka-1", Dir: filepath.Join(dir, "kafka"), Owner: dir, Port: freePort(t), Archive: archive,
		Voters: []Voter{{ID: 1, Port: freePort(t)}}, Log: filepath.Join(dir, "kafka.log"), DeathSignal: 9,
	}
	child, err := k.Start(t.Context(), testCache(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Kill() })
	if err := probe.Wait(t.Context(), probe.Kafka{Port: k.Port}, time.Minute, probe.Watched{Done: child.Done(), Why: child.Err}); err != nil {
		t.Fatal(err)
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	r := newTestRuntime(t, o)
	if err := r.Prepare(t.Context(), func(sandbox.Progress) {}); err != nil {
		t.Fatal(err)
	}
	// Once all is there nothing is made again, and no progress is told.
	o.Cache = o.Cache.With(nil)
	err := r.Prepare(t.Context(), func(p sandbox.Progress) { t.Errorf("the second time there is progress: %+v", p) })
	if err != nil {
		t.Fatal(err)
	}
	empty, err := artefact.Open(artefact.Options{Dir: filepath.Join(t.TempDir(), "cache"), Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	o.Cache = empty
	err = newTestRuntime(t, o).Prepare(t.Context(), func(sandbox.Progress) {})
	if _, ok := errors.AsType[*artefact.OfflineError](err); !ok {
		t.Errorf("offline with an empty cache: %v", err)
	}
}
