package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
)

func TestMain(m *testing.M) { servers.Main(m, servers.PostgreSQL, servers.Kafka) }

// answer is a probe that says no a number of times.
type answer struct {
	noes  int
	asked *atomic.Int64
	takes time.Duration
}

func (a answer) Ask(ctx context.Context) error {
	select {
	case <-time.After(a.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if n := a.asked.Add(1); n <= int64(a.noes) {
		return fmt.Errorf("no, for the %dth time", n)
	}
	return nil
}
func (a answer) String() string { return "the thing to be ready" }

func TestWaitAsksOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const noes = 10
		began := time.Now()
		a := answer{noes: noes, asked: new(atomic.Int64)}
		if err := probe.Wait(t.Context(), a, time.Minute, probe.Watched{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > noes*50*time.Millisecond {
			t.Errorf("ten questions took %v: more than 50 ms each", took)
		}
	})
}

func TestWaitEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(done) })
		why := errors.New("exit code 1; last line: out of luck")
		began := time.Now()
		err := probe.Wait(t.Context(), answer{noes: 1 << 30, asked: new(atomic.Int64), takes: 300 * time.Millisecond}, time.Hour,
			probe.Watched{Done: done, Why: func() error { return why }})
		dead, ok := errors.AsType[*probe.DeadError](err)
		if !ok || !errors.Is(err, why) || !strings.Contains(err.Error(), "the thing to be ready") || dead.Awaited == "" {
			t.Errorf("error is %v, want a *DeadError with the reason", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("it was noticed after %v, want 1 s: at once", took)
		}
	})
}

func TestWaitTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = 3 * time.Second
		err := probe.Wait(t.Context(), answer{noes: 1 << 30, asked: new(atomic.Int64)}, limit, probe.Watched{})
		if _, ok := errors.AsType[*probe.TimeoutError](err); !ok || !strings.Contains(err.Error(), "3s") ||
			!strings.Contains(err.Error(), "the thing to be ready") || !strings.Contains(err.Error(), "time") {
			t.Errorf("error is %v, want a *TimeoutError with what, limit and last answer", err)
		}
	})
}

func TestWaitIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the user pressed Ctrl-C")
		time.AfterFunc(time.Second, func() { cancel(why) })
		err := probe.Wait(ctx, answer{noes: 1 << 30, asked: new(atomic.Int64)}, time.Hour, probe.Watched{})
		if !errors.Is(err, why) {
			t.Errorf("error is %v, want %v", err, why)
		}
	})
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	var status atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, "the database is DOWN")
	}))
	defer server.Close()
	p := probe.HTTP{URL: server.URL + "/isHealthy"}
	for code, ready := range map[int64]bool{200: true, 500: false, 503: false, 302: false} {
		status.Store(code)
		err := p.Ask(t.Context())
		if (err == nil) != ready {
			t.Errorf("status %d: %v, want ready %v", code, err, ready)
		}
		if err != nil && !strings.Contains(err.Error(), "DOWN") {
			t.Errorf("status %d: error %v does not tell the body", code, err)
		}
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	c := servers.Postgres(t)
	_, number, err := net.SplitHostPort(servers.Brokers(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	broker, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		p    probe.Probe
		want bool
	}{
		"PostgreSQL":                 {probe.PostgreSQL{Port: c.Port, User: c.User, Password: c.Password, Database: "postgres"}, true},
		"wrong password":             {probe.PostgreSQL{Port: c.Port, User: c.User, Password: "wrong", Database: "postgres"}, false},
		"unknown database":           {probe.PostgreSQL{Port: c.Port, User: c.User, Password: c.Password, Database: "nosuch"}, false},
		"PostgreSQL asked of Kafka":  {probe.PostgreSQL{Port: broker, User: c.User, Password: c.Password, Database: "postgres"}, false},
		"Kafka":                      {probe.Kafka{Port: broker}, true},
		"three brokers of one":       {probe.Kafka{Port: broker, Brokers: 3}, false},
		"Kafka asked of PostgreSQL":  {probe.Kafka{Port: c.Port}, false},
		"listener":                   {probe.TCP{Address: servers.Brokers(t)[0]}, true},
		"no listener":                {probe.TCP{Address: "127.0.0.1:1"}, false},
		"all":                        {probe.All{probe.TCP{Address: servers.Brokers(t)[0]}, probe.Kafka{Port: broker}}, true},
		"all but one":                {probe.All{probe.TCP{Address: servers.Brokers(t)[0]}, probe.Kafka{Port: c.Port}}, false},
		"no Kafka where nobody is":   {probe.Kafka{Port: 1}, false},
		"PostgreSQL where nobody is": {probe.PostgreSQL{Port: 1, User: "u", Database: "d"}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			patience := 30 * time.Second
			if !c.want {
				patience = time.Second // some wait for an answer that never comes
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := c.p.Ask(ctx); (err == nil) != c.want {
				t.Errorf("%s: %v, want yes %v", c.p, err, c.want)
			}
		})
	}
}
