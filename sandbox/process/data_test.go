package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
)

func testCache(t testing.TB) *artefact.Cache {
	t.Helper()
	cache, err := artefact.Open(artefact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

// testPostgreSQL is a server on data of its own, which ends with the test.
func testPostgreSQL(t *testing.T, dir string) PostgreSQL {
	t.Helper()
	return PostgreSQL{
		Node: "postgres", Data: filepath.Join(dir, "data"), Owner: "sandbox-of-the-test", Port: freePort(t), Password: "pw",
		Log: filepath.Join(dir, "postgres.log"), DeathSignal: stopAtOnce,
	}
}

const stopAtOnce = 3 // SIGQUIT

func startServer(t *testing.T, p PostgreSQL) *Child {
	t.Helper()
	child, err := p.Start(t.Context(), testCache(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Kill() })
	ready := probe.PostgreSQL{Port: p.Port, User: Superuser, Password: p.Password, Database: "postgres"}
	if err := probe.Wait(t.Context(), ready, time.Minute, probe.Watched{Done: child.Done(), Why: child.Err}); err != nil {
		t.Fatal(err)
	}
	return child
}

func stopServer(t *testing.T, c *Child) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestForeignDataDirectories: what is not this sandbox's is refused, named, and left as it is.
func TestForeignDataDirectories(t *testing.T) {
	t.Parallel()
	whole := func(t *testing.T, p PostgreSQL) { stopServer(t, startServer(t, p)) }
	change := func(t *testing.T, p PostgreSQL, name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(p.Data, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		make   func(t *testing.T, p *PostgreSQL)
		fault  DataFault
		detail string
	}{
		"another version": {func(t *testing.T, p *PostgreSQL) {
			whole(t, *p)
			change(t, *p, "PG_VERSION", "13\n")
		}, OtherVersion, "PostgreSQL 13"},
		"another sandbox": {func(t *testing.T, p *PostgreSQL) {
			whole(t, *p)
			p.Owner = "/var/lib/cordage/other"
		}, OtherSandbox, "sandbox-of-the-test"},
		"made by somebody else": {func(t *testing.T, p *PostgreSQL) {
			whole(t, *p)
			if err := os.Remove(filepath.Join(p.Data, ownerFile)); err != nil {
				t.Fatal(err)
			}
		}, NotOurs, "was not made by Cordage"},
		"no PostgreSQL": {func(t *testing.T, p *PostgreSQL) {
			makeDir(t, p.Data)
			change(t, *p, "holiday.jpg", "x")
		}, NotOurs, "no PostgreSQL"},
		"a file": {func(t *testing.T, p *PostgreSQL) {
			if err := os.WriteFile(p.Data, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, NotOurs, "it is a file"},
		"damaged": {func(t *testing.T, p *PostgreSQL) {
			whole(t, *p)
			if err := os.Remove(filepath.Join(p.Data, "global", "pg_control")); err != nil {
				t.Fatal(err)
			}
		}, Incomplete, "pg_control"},
		"in use": {func(t *testing.T, p *PostgreSQL) {
			startServer(t, *p)
		}, InUse, "process"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testPostgreSQL(t, openTempDir(t))
			c.make(t, &p)
			before := listing(t, p.Data)
			child, err := p.Start(t.Context(), testCache(t))
			if err == nil {
				_ = child.Kill()
				t.Fatal("the server was started")
			}
			refused, ok := errors.AsType[*DataDirError](err)
			if !ok || refused.Fault != c.fault || !strings.Contains(err.Error(), c.detail) || !strings.Contains(err.Error(), p.Data) || refused.Hint() == "" {
				t.Errorf("error is %v; want that %s %s (%s)", err, p.Data, c.fault, c.detail)
			}
			if after := listing(t, p.Data); after != before {
				t.Errorf("the directory was changed:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

func makeDir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	account, err := serverAccount()
	if err == nil {
		err = account.own(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// listing is names and sizes of what is in a directory, without what a running server writes at any time.
func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintln(&b, e.Name(), e.Type())
	}
	return b.String()
}

// TestStalePostmasterPID: the process number in the file of a killed server belongs to another process of the same
// account by now. PostgreSQL alone would refuse to start.
func TestStalePostmasterPID(t *testing.T) {
	t.Parallel()
	p := testPostgreSQL(t, openTempDir(t))
	child := startServer(t, p)
	if err := child.Kill(); err != nil {
		t.Fatal(err)
	}
	stranger := startStranger(t)
	file := filepath.Join(p.Data, "postmaster.pid")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\n")
	if err := os.WriteFile(file, []byte(fmt.Sprintf("%d\n%s", stranger, rest)), 0o600); err != nil {
		t.Fatal(err)
	}
	startServer(t, p)
}

// startStranger starts a process of the server's account that has nothing to do with the server.
func startStranger(t *testing.T) int {
	t.Helper()
	account, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Launch(Command{
		Node: "stranger", Path: "/bin/sleep", Args: []string{"600"}, Dir: "/", Log: filepath.Join(t.TempDir(), "log"),
		Account: account, DeathSignal: 9,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Kill() })
	return c.PID()
}

// TestInterruptedCreation: what a killed start left beside is replaced.
func TestInterruptedCreation(t *testing.T) {
	t.Parallel()
	p := testPostgreSQL(t, openTempDir(t))
	makeDir(t, p.Data+".new")
	if err := os.WriteFile(filepath.Join(p.Data+".new", "PG_VERSION"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	startServer(t, p)
	if exists(p.Data + ".new") {
		t.Error("the remains of the interrupted creation are still there")
	}
}

func TestClosedDirectory(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root's servers run as another account")
	}
	dir := t.TempDir() // 0700, root's
	if err := os.Chmod(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	p := testPostgreSQL(t, dir)
	_, err := p.Start(t.Context(), testCache(t))
	closed, ok := errors.AsType[*UnreachableError](err)
	if !ok || closed.Closed != filepath.Dir(dir) || closed.Hint() == "" {
		t.Errorf("error is %v; want an *UnreachableError that names %s", err, filepath.Dir(dir))
	}
}

func TestForeignKafkaStorage(t *testing.T) {
	t.Parallel()
	good := Kafka{Node: "kafka-1", Owner: "mine", Voters: []Voter{{1, 1}}}
	cases := map[string]struct {
		meta  string // content of meta.properties; "" for none
		other string // another file
		fault DataFault
	}{
		"another cluster": {"version=1\nnode.id=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\n", "", OtherSandbox},
		"another node":    {"version=1\nnode.id=2\ncluster.id=" + good.clusterID() + "\n", "", OtherSandbox},
		"with ZooKeeper":  {"version=0\nbroker.id=1\ncluster.id=x\n", "", OtherVersion},
		"nonsense":        {"\x00\xff", "", OtherVersion},
		"no Kafka":        {"", "holiday.jpg", NotOurs},
	}
	for name, c := range cases {
		k := good
		k.Dir = t.TempDir()
		if err := os.Mkdir(k.data(), 0o700); err != nil {
			t.Fatal(err)
		}
		if c.meta != "" {
			c.other = metaFile
		}
		if err := os.WriteFile(filepath.Join(k.data(), c.other), []byte(c.meta), 0o600); err != nil {
			t.Fatal(err)
		}
		err := k.format()
		if refused, ok := errors.AsType[*DataDirError](err); !ok || refused.Fault != c.fault || !strings.Contains(err.Error(), k.data()) {
			t.Errorf("%s: error is %v; want that it %s", name, err, c.fault)
		}
	}
	good.Dir = t.TempDir()
	for range 2 { // formatted once, accepted ever after
		if err := good.format(); err != nil {
			t.Error(err)
		}
	}
}

// TestKafkaCluster: three nodes of one cluster agree on what they must agree on.
func TestKafkaCluster(t *testing.T) {
	t.Parallel()
	var ids []string
	for id, want := range map[int]struct{ roles, listeners string }{
		1: {"broker,controller", "BROKER://127.0.0.1:9101,CONTROLLER://127.0.0.1:9001"},
		2: {"broker", "BROKER://127.0.0.1:9102"},
		3: {"broker", "BROKER://127.0.0.1:9103"},
	} {
		k := Kafka{Owner: "mine", ID: id, Port: 9100 + id, Voters: []Voter{{1, 9001}}, Brokers: 3, Settings: map[string]string{"num.partitions": "7"}}
		s := k.settings()
		if s["controller.quorum.voters"] != "1@127.0.0.1:9001" || s["process.roles"] != want.roles || s["listeners"] != want.listeners ||
			s["offsets.topic.replication.factor"] != "3" || s["min.insync.replicas"] != "2" || s["num.partitions"] != "7" {
			t.Errorf("settings of node %d: %v", id, s)
		}
		ids = append(ids, k.clusterID())
	}
	if ids[0] != ids[1] || ids[1] != ids[2] || len(ids[0]) != 22 {
		t.Errorf("cluster ids are %v", ids)
	}
}

// TestPortTaken: the server that cannot listen ends at once and says why, and the wait with it.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	one, other := testPostgreSQL(t, openTempDir(t)), testPostgreSQL(t, openTempDir(t))
	startServer(t, one)
	other.Port = one.Port
	child, err := other.Start(t.Context(), testCache(t))
	if err != nil {
		t.Fatal(err)
	}
	ready := probe.PostgreSQL{Port: other.Port, User: Superuser, Password: "not the one's", Database: "postgres"}
	err = probe.Wait(t.Context(), ready, time.Minute, probe.Watched{Done: child.Done(), Why: child.Err})
	dead, ok := errors.AsType[*ExitError](err)
	if !ok || !strings.Contains(err.Error(), "Address already in use") || !strings.Contains(dead.Hint(), other.Log) {
		t.Errorf("error is %v; want the end of the server with its last log lines", err)
	}
}

// TestSecretsAreHandedOver: no secret is in the arguments, the environment or a file others can read.
func TestSecretsAreHandedOver(t *testing.T) {
	t.Parallel()
	const secret = "v3ry-s3cret"
	o := testOptions(t)
	r := newTestRuntime(t, o)
	spec := sandbox.NodeSpec{
		Name: "postgres", Kind: sandbox.PostgreSQL, Ports: map[string]int{"sql": freePort(t)},
		Files: map[string][]byte{passwordFile: []byte(secret)},
	}
	i, err := r.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Kill(context.Background()) })
	for _, what := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(filepath.Join("/proc", i.ID(), what))
		if err == nil && strings.Contains(string(b), secret) {
			t.Errorf("the server's %s tells the password", what)
		}
	}
	err = filepath.Walk(o.Dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil // the server works
		}
		if strings.Contains(string(b), secret) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := r.ReplaceFiles(t.Context(), sandbox.NodeSpec{Name: "crypto-1", Kind: sandbox.Worker, Files: map[string][]byte{bootFile: []byte(secret)}}); err == nil {
		t.Error("files were handed to a node that has never been started")
	}
	if err := r.makeNode("crypto-1"); err != nil {
		t.Fatal(err)
	}
	if err := r.ReplaceFiles(t.Context(), sandbox.NodeSpec{Name: "crypto-1", Kind: sandbox.Worker, Files: map[string][]byte{bootFile: []byte(secret)}}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(r.files("crypto-1"), bootFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the boot file is %v, %v; want mode 0600", info, err)
	}
}
