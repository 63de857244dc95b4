package sandbox_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/sandbox"
)

func TestWish(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		wish   sandbox.Wish
		stored bool
		want   func(*sandbox.Spec)
		faults []string // of the error
	}{
		"nothing is asked":        {want: func(*sandbox.Spec) {}},
		"replicas":                {wish: sandbox.Wish{Replicas: map[string]int{"rest": 3}}, want: func(s *sandbox.Spec) { s.Replicas["rest"] = 3 }},
		"no crypto worker at all": {wish: sandbox.Wish{Replicas: map[string]int{"crypto": 0}}, want: func(s *sandbox.Spec) { s.Replicas["crypto"] = 0 }},
		"a port by its purpose":   {wish: sandbox.Wish{Ports: map[string]int{"rest": 8888}}, want: func(s *sandbox.Spec) { s.Ports = map[string]int{"lb-1/rest": 8888} }},
		"a port of a node":        {wish: sandbox.Wish{Ports: map[string]int{"rest-1/monitor": 7000}}, want: func(s *sandbox.Spec) { s.Ports = map[string]int{"rest-1/monitor": 7000} }},
		"a free port again":       {wish: sandbox.Wish{Ports: map[string]int{"rest": 0}}, want: func(s *sandbox.Spec) { s.Ports = map[string]int{} }},
		"what the data have, again": {
			wish: sandbox.Wish{Databases: sandbox.Shared, Partitions: sandbox.DefaultPartitions}, stored: true, want: func(*sandbox.Spec) {},
		},
		"separate databases before there are data": {wish: sandbox.Wish{Databases: sandbox.Separate}, want: func(s *sandbox.Spec) { s.Databases = sandbox.Separate }},
		"and after":                             {wish: sandbox.Wish{Databases: sandbox.Separate}, stored: true, faults: []string{"has databases=shared in its data"}},
		"partitions after":                      {wish: sandbox.Wish{Partitions: 9}, stored: true, faults: []string{"has partitions=4 in its data"}},
		"another runtime before there are data": {wish: sandbox.Wish{Runtime: "container"}, want: func(s *sandbox.Spec) { s.Runtime = "container" }},
		"another runtime after":                 {wish: sandbox.Wish{Runtime: "container"}, stored: true, faults: []string{"has runtime=process in its data"}},
		"three brokers":                         {wish: sandbox.Wish{Brokers: 3}, want: func(s *sandbox.Spec) { s.Brokers = 3 }},
		"three brokers after":                   {wish: sandbox.Wish{Brokers: 3}, stored: true, faults: []string{"has brokers=1 in its data"}},
		"a level of one type": {
			wish: sandbox.Wish{LogLevels: map[string]string{"crypto": "debug", "rest": ""}},
			want: func(s *sandbox.Spec) { s.LogLevels = map[string]string{"crypto": "debug"} },
		},
		"limits": {
			wish: sandbox.Wish{Limits: map[string]sandbox.Limit{"kafka": {MemoryBytes: 1 << 30}, "rest": {}}},
			want: func(s *sandbox.Spec) { s.Limits = map[string]sandbox.Limit{"kafka": {MemoryBytes: 1 << 30}} },
		},
		"an image": {
			wish: sandbox.Wish{Images: sandbox.Images{Kafka: "kafka:mine"}}, want: func(s *sandbox.Spec) { s.Images.Kafka = "kafka:mine" },
		},
		"faults of what is newer": {
			wish: sandbox.Wish{
				Runtime: "pod", Brokers: 2, LogLevels: map[string]string{"flow": "info", "rest": "loud"},
				Limits: map[string]sandbox.Limit{"flow": {}, "rest": {MemoryBytes: 1}, "lb": {CPUs: -1}},
			},
			faults: []string{
				`runtime "pod"`, "brokers 2: it is 1 or 3", `log level of "flow"`, `log level of rest "loud"`, `limits of "flow"`, "memory of rest 1 bytes", "cpus of lb -1",
			},
		},
		"all faults are told": {
			wish: sandbox.Wish{
				Replicas: map[string]int{"flow": 1, "lb": 2, "rest": 17}, Ports: map[string]int{"x": 1, "kafka": 65536}, Partitions: 65, Databases: "x", LogLevel: "loud",
			},
			faults: []string{
				`replicas of "flow": no such worker type`, "exactly one load balancer", "replicas of rest 17", `port "x"`, "port kafka=65536", "partitions 65",
				`databases "x"`, `log level "loud"`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := sandbox.DefaultSpec("test")
			got, err := tc.wish.Apply(before, tc.stored)
			if diff := cmp.Diff(sandbox.DefaultSpec("test"), before); diff != "" {
				t.Errorf("it changed what it was given (-before +after):\n%s", diff)
			}
			if len(tc.faults) > 0 {
				for _, f := range tc.faults {
					if err == nil || !strings.Contains(err.Error(), f) {
						t.Errorf("the error is %v, without %q", err, f)
					}
				}
				return
			}
			want := sandbox.DefaultSpec("test")
			tc.want(&want)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("error %v; specification (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestOver(t *testing.T) {
	t.Parallel()
	flags := sandbox.Wish{Replicas: map[string]int{"rest": 3}, LogLevel: "debug", Images: sandbox.Images{Kafka: "mine"}}
	file := sandbox.Wish{
		Replicas: map[string]int{"rest": 2, "database": 2}, LogLevel: "warn", Brokers: 3, Runtime: "process", Ports: map[string]int{"rest": 0},
		Images: sandbox.Images{Kafka: "theirs", Base: "base"},
	}
	want := sandbox.Wish{
		Replicas: map[string]int{"rest": 3, "database": 2}, LogLevel: "debug", Brokers: 3, Runtime: "process", Ports: map[string]int{"rest": 0},
		Images: sandbox.Images{Kafka: "mine", Base: "base"},
	}
	if diff := cmp.Diff(want, flags.Over(file)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if file.Replicas["rest"] != 2 {
		t.Error("it changed what it was given")
	}
}

func TestFixedErrorShowsTheWayOut(t *testing.T) {
	t.Parallel()
	_, err := sandbox.Wish{Partitions: 9}.Apply(sandbox.DefaultSpec("ci"), true)
	fixed, ok := errors.AsType[*sandbox.FixedError](err)
	if !ok || fixed.Hint() != "leave partitions as it is, on the command line and in the sandbox file, or remove the data with: cordage down --purge --name ci" {
		t.Errorf("the error is %v", err)
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"default": true, "a": true, "ci-7": true, strings.Repeat("a", 32): true,
		"": false, strings.Repeat("a", 33): false, "A": false, "-a": false, "a-": false, "../x": false, "a/b": false, "a.b": false, "a b": false,
	} {
		if err := sandbox.CheckName(name); (err == nil) != ok {
			t.Errorf("CheckName(%q) = %v, want ok %v", name, err, ok)
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	base := sandbox.NodeSpec{Name: "rest-1", Kind: sandbox.Worker, Ports: map[string]int{"a": 1, "b": 2}, Files: map[string][]byte{"boot.json": []byte("x")}}
	same := base
	same.Files = map[string][]byte{"boot.json": []byte("another secret")}
	if base.Hash() != same.Hash() {
		t.Error("the content of files changes the hash")
	}
	other := base
	other.Ports = map[string]int{"a": 1, "b": 3}
	if base.Hash() == other.Hash() {
		t.Error("a port does not change the hash")
	}
}
