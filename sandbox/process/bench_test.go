package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
)

// BenchmarkBareStart is the measure for `cordage up`: PostgreSQL (initdb and start) and Kafka (start on formatted
// storage, no class archive) side by side, as a person with the same binaries would start them, each until it answers
// its protocol.
func BenchmarkBareStart(b *testing.B) {
	cache := benchCache(b)
	var m measured
	for b.Loop() {
		m.sideBySide(b, func(dir string) (*Child, probe.Probe, error) { return barePostgreSQL(b, cache, dir) },
			func(dir string) (*Child, probe.Probe, error) { return preparedKafka(b, cache, dir, "") })
	}
}

// BenchmarkPreparedStart is the same as the runtime does it: a copied data directory, fsync on, and a class archive.
func BenchmarkPreparedStart(b *testing.B) {
	cache := benchCache(b)
	archive, err := KafkaArchive(b.Context(), cache)
	if err != nil {
		b.Fatal(err)
	}
	var m measured
	for b.Loop() {
		m.sideBySide(b, func(dir string) (*Child, probe.Probe, error) { return preparedPostgreSQL(b, cache, dir) },
			func(dir string) (*Child, probe.Probe, error) { return preparedKafka(b, cache, dir, archive) })
	}
}

func benchCache(b *testing.B) *artefact.Cache {
	cache, err := artefact.Open(artefact.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := cache.Kafka(b.Context()); err != nil {
		b.Fatal(err)
	}
	if _, err := cache.PostgreSQL(b.Context()); err != nil {
		b.Fatal(err)
	}
	return cache
}

type starter func(dir string) (*Child, probe.Probe, error)

// measured sums up the rounds of one benchmark.
type measured struct {
	took   [2]time.Duration // PostgreSQL, Kafka
	rounds int
}

func (m *measured) report(b *testing.B) {
	perRound := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(m.rounds) }
	b.ReportMetric(perRound(m.took[0]), "postgres-ms")
	b.ReportMetric(perRound(m.took[1]), "kafka-ms")
}

// sideBySide starts all at once, waits until each answers, and ends them outside of the measured time.
func (m *measured) sideBySide(b *testing.B, postgres, kafka starter) {
	b.StopTimer()
	starters := []starter{postgres, kafka}
	dir := openTempDir(b)
	children := make([]*Child, len(starters))
	b.StartTimer()
	var wait sync.WaitGroup
	start := time.Now()
	for i, s := range starters {
		wait.Go(func() {
			child, ready, err := s(dir)
			if err != nil {
				b.Error(err)
				return
			}
			children[i] = child
			w := probe.Watched{Done: child.Done(), Why: child.Err}
			if err := probe.Wait(b.Context(), ready, time.Minute, w); err != nil {
				b.Error(err)
			}
			m.took[i] += time.Since(start)
		})
	}
	wait.Wait()
	b.StopTimer()
	m.rounds++
	m.report(b)
	for _, c := range children {
		if c != nil {
			_ = c.Signal(syscall.SIGQUIT)
			_ = c.Kill()
		}
	}
	b.StartTimer()
}

func barePostgreSQL(b *testing.B, cache *artefact.Cache, dir string) (*Child, probe.Probe, error) {
	account, err := serverAccount()
	if err != nil {
		return nil, nil, err
	}
	bin, err := cache.PostgreSQL(b.Context())
	if err != nil {
		return nil, nil, err
	}
	data := filepath.Join(dir, "bare")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, nil, err
	}
	if err := account.own(data); err != nil {
		return nil, nil, err
	}
	d := dataDir{path: data, account: account, bin: bin}
	if err := d.run(context.Background(), "initdb", nil, "-D", data, "-U", Superuser, "-A", "trust"); err != nil {
		return nil, nil, err
	}
	number := freePort(b)
	child, err := Launch(Command{
		Node: "bare", Path: bin.Bin("postgres"), Dir: data, Env: serverEnv(), Account: account,
		Args: []string{"-D", data, "-p", fmt.Sprint(number), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="},
		Log:  filepath.Join(dir, "bare.log"), StopSignal: syscall.SIGINT, DeathSignal: syscall.SIGQUIT,
	})
	return child, probe.PostgreSQL{Port: number, User: Superuser, Database: "postgres"}, err
}

func preparedPostgreSQL(b *testing.B, cache *artefact.Cache, dir string) (*Child, probe.Probe, error) {
	p := PostgreSQL{
		Node: "postgres", Data: filepath.Join(dir, "postgres"), Owner: dir, Port: freePort(b), Password: "bench",
		Log: filepath.Join(dir, "postgres.log"), DeathSignal: syscall.SIGQUIT,
	}
	child, err := p.Start(b.Context(), cache)
	return child, probe.PostgreSQL{Port: p.Port, User: Superuser, Password: "bench", Database: "postgres"}, err
}

func preparedKafka(b *testing.B, cache *artefact.Cache, dir, archive string) (*Child, probe.Probe, error) {
	k := Kafka{
		Node: "kafka-1", Dir: filepath.Join(dir, "kafka"), Owner: dir, Port: freePort(b), Archive: archive,
		Voters: []Voter{{ID: 1, Port: freePort(b)}}, Log: filepath.Join(dir, "kafka.log"), DeathSignal: syscall.SIGKILL,
	}
	child, err := k.Start(b.Context(), cache)
	return child, probe.Kafka{Port: k.Port, NoCoordinators: true}, err
}

// freePort returns a port that stays reserved until the test ends.
func freePort(t testing.TB) int {
	t.Helper()
	p, err := port.Hold(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if err := p.HandOver(); err != nil {
		t.Fatal(err)
	}
	return p.Number()
}

// openTempDir is a temporary directory that PostgreSQL's account can pass through, which t.TempDir is not for root.
func openTempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cordage-process-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
