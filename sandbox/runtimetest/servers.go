package runtimetest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
)

const superuser = "postgres"

func postgresSpec(t *testing.T, password string) sandbox.NodeSpec {
	t.Helper()
	return sandbox.NodeSpec{
		Name: "postgres", Kind: sandbox.PostgreSQL, Ports: map[string]int{"sql": freePort(t)},
		Files: map[string][]byte{"password": []byte(password)},
	}
}

func postgresProbe(spec sandbox.NodeSpec) probe.PostgreSQL {
	return probe.PostgreSQL{
		Port: spec.Ports["sql"], User: superuser, Password: string(spec.Files["password"]), Database: "postgres",
	}
}

func startPostgres(t *testing.T, r sandbox.Runtime, spec sandbox.NodeSpec) sandbox.Instance {
	t.Helper()
	i := start(t, r, spec)
	awaitReady(t, i, postgresProbe(spec))
	return i
}

func query(t *testing.T, spec sandbox.NodeSpec, sql string) string {
	t.Helper()
	conn := connect(t, spec)
	defer conn.Close(t.Context())
	var answer string
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

func connect(t *testing.T, spec sandbox.NodeSpec) *pgx.Conn {
	t.Helper()
	url := fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/postgres?sslmode=disable", superuser, spec.Files["password"], spec.Ports["sql"])
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func execute(t *testing.T, spec sandbox.NodeSpec, sql string) {
	t.Helper()
	conn := connect(t, spec)
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// recovered are words of PostgreSQL's log that tell of a recovery after a crash.
func recovered(log string) bool {
	return strings.Contains(log, "not properly shut down") || strings.Contains(log, "automatic recovery")
}

func postgresKeepsData(t *testing.T, s Sandbox) {
	r := s()
	spec := postgresSpec(t, "first-password")
	i := startPostgres(t, r, spec)
	execute(t, spec, "CREATE TABLE kept AS SELECT 'value' AS v")
	idle := connect(t, spec) // a stop does not wait for sessions
	defer idle.Close(context.WithoutCancel(t.Context()))
	if u, err := i.Usage(t.Context()); err != nil || u.RSS == 0 {
		t.Errorf("Usage of PostgreSQL: %+v, %v", u, err)
	}
	stop(t, i)
	wantFree(t, spec)

	again := postgresSpec(t, "second-password") // another port and password on the same data
	i = startPostgres(t, r, again)
	if v := query(t, again, "SELECT v FROM kept"); v != "value" {
		t.Errorf("after a stop and a start the value is %q", v)
	}
	log := readLog(t, r, spec.Name, -1)
	if recovered(log) {
		t.Errorf("the start after a stop had to recover:\n%s", log)
	}
	if strings.Contains(log, "first-password") || strings.Contains(log, "second-password") {
		t.Error("the log tells a password")
	}
	stop(t, i)
}

// postgresIsClosed: passwords only, from this machine only, durable.
func postgresIsClosed(t *testing.T, s Sandbox) {
	r := s()
	spec := postgresSpec(t, "right")
	spec.Settings = map[string]string{"work_mem": "5MB"}
	startPostgres(t, r, spec)
	for _, wrong := range []string{"wrong", ""} {
		p := postgresProbe(spec)
		p.Password = wrong
		if err := p.Ask(t.Context()); err == nil {
			t.Errorf("PostgreSQL let the superuser in with the password %q", wrong)
		}
	}
	for setting, want := range map[string]string{
		"fsync": "on", "password_encryption": "scram-sha-256", "work_mem": "5MB",
	} {
		if got := query(t, spec, "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	wantLoopbackOnly(t, spec)
}

// wantLoopbackOnly checks that no port of a node can be reached at an address by which other machines know this one.
func wantLoopbackOnly(t *testing.T, spec sandbox.NodeSpec) {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.To4() == nil {
			continue
		}
		for purpose, number := range spec.Ports {
			c, err := net.DialTimeout("tcp", net.JoinHostPort(ip.IP.String(), strconv.Itoa(number)), time.Second)
			if err == nil {
				c.Close()
				t.Errorf("port %s of %s is open to other machines, at %s", purpose, spec.Name, ip.IP)
			}
		}
	}
}

// postgresKilled: nothing of a killed server stays in the way, and what was committed is there.
func postgresKilled(t *testing.T, s Sandbox) {
	first, second := s(), s()
	spec := postgresSpec(t, "password")
	i := startPostgres(t, first, spec)
	execute(t, spec, "CREATE TABLE kept AS SELECT 'value' AS v")
	busy := connect(t, spec)
	go func() {
		_, _ = busy.Exec(context.WithoutCancel(t.Context()), "SELECT sum(sqrt(n)) FROM generate_series(1, 1e9::bigint) n")
	}()
	eventually(t, "a busy session", func(context.Context) error {
		if query(t, spec, "SELECT count(*)::text FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%sqrt%series%' AND pid <> pg_backend_pid()") == "0" {
			return errNo
		}
		return nil
	})
	found, err := second.Find(t.Context())
	if err != nil || len(found) != 1 || found[0].ID() != i.ID() {
		t.Fatalf("the next supervisor finds %v, %v; want instance %s alone", found, err, i.ID())
	}
	if err := found[0].Kill(t.Context()); err != nil {
		t.Fatalf("Kill: %v", err)
	}
	awaitEnd(t, i)
	wantNames(t, second)
	startPostgres(t, second, spec)
	if v := query(t, spec, "SELECT v FROM kept"); v != "value" {
		t.Errorf("after a kill and a start the value is %q", v)
	}
}

func kafkaKeepsTopics(t *testing.T, s Sandbox) {
	r := s()
	spec := sandbox.NodeSpec{
		Name: "kafka-1", Kind: sandbox.Kafka, Ports: map[string]int{"broker": freePort(t), "controller": freePort(t)},
		Settings: map[string]string{"num.partitions": "2"},
	}
	ready := probe.Kafka{Port: spec.Ports["broker"]}
	i := start(t, r, spec)
	awaitReady(t, i, ready)
	admin := kafkaAdmin(t, spec)
	if err := admin.CreateTopic("kept", &sarama.TopicDetail{NumPartitions: -1, ReplicationFactor: -1}, false); err != nil {
		t.Fatal(err)
	}
	send(t, spec, "kept", "before the stop")
	stop(t, i)
	wantFree(t, spec)

	i = start(t, r, spec)
	awaitReady(t, i, ready)
	send(t, spec, "kept", "before the kill")
	if err := i.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	i = start(t, r, spec)
	awaitReady(t, i, ready)
	topics, err := kafkaAdmin(t, spec).ListTopics()
	if err != nil || topics["kept"].NumPartitions != 2 { //nolint:mnd // as in Settings
		t.Errorf("after a kill and a start the topics are %v, %v; want kept with 2 partitions", topics, err)
	}
	send(t, spec, "kept", "at the end")
	if err := trySend(t, spec, "misspelt", "x"); err == nil {
		t.Error("a topic that nobody made was made by sending to it")
	}
	stop(t, i)
}

func kafkaConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_2_0_0
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	return c
}

func kafkaAdmin(t *testing.T, spec sandbox.NodeSpec) sarama.ClusterAdmin {
	t.Helper()
	admin, err := sarama.NewClusterAdmin([]string{port.Address(spec.Ports["broker"])}, kafkaConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	return admin
}

func send(t *testing.T, spec sandbox.NodeSpec, topic, value string) {
	t.Helper()
	if err := trySend(t, spec, topic, value); err != nil {
		t.Fatalf("send to %s: %v", topic, err)
	}
}

func trySend(t *testing.T, spec sandbox.NodeSpec, topic, value string) error {
	t.Helper()
	p, err := sarama.NewSyncProducer([]string{port.Address(spec.Ports["broker"])}, kafkaConfig())
	if err != nil {
		return err
	}
	defer p.Close()
	_, _, err = p.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)})
	return err
}
