package file_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/file"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	f, err := file.Parse("cordage.yaml", []byte(
		"name: dev\nruntime: container\nreplicas: {rest: 2, crypto: 3}\nports:\n  lb-1/rest: 8888\nlimits: {kafka: {memory: 1536MiB, cpus: 2}}\nlogLevels:\n  rest: warn\n"))
	if err != nil {
		t.Fatal(err)
	}
	kept := sandbox.DefaultSpec("dev")
	kept.Replicas["database"], kept.Replicas["crypto"], kept.LogLevel = 2, 2, "debug"
	s := file.Sources{Kept: kept, File: f, Flags: sandbox.Wish{Replicas: map[string]int{"rest": 4}, Ports: map[string]int{"kafka": 9092}, Brokers: 3}, Named: true}
	got, err := file.Settings(s)
	want := []file.Setting{
		{Key: "name", Value: "dev", From: file.FromFlag, Place: "--name"},
		{Key: "runtime", Value: "container", From: file.FromFile, Place: "cordage.yaml:2"},
		{Key: "replicas.crypto", Value: 3, From: file.FromFile, Place: "cordage.yaml:3"},
		{Key: "replicas.database", Value: 2, From: file.FromKept},
		{Key: "replicas.lb", Value: 1, From: file.FromDefault},
		{Key: "replicas.rest", Value: 4, From: file.FromFlag, Place: "--replicas"},
		{Key: "limits.kafka.cpus", Value: 2.0, From: file.FromFile, Place: "cordage.yaml:6"},
		{Key: "limits.kafka.memory", Value: "1536MiB", From: file.FromFile, Place: "cordage.yaml:6"},
		{Key: "databases", Value: "shared", From: file.FromDefault},
		{Key: "ports.kafka", Value: 9092, From: file.FromFlag, Place: "--port"},
		{Key: "ports.postgres", Value: 0, From: file.FromDefault},
		{Key: "ports.rest", Value: 8888, From: file.FromFile, Place: "cordage.yaml:5"},
		{Key: "topics.partitions", Value: 4, From: file.FromDefault},
		{Key: "kafka.brokers", Value: 3, From: file.FromFlag, Place: "--brokers"},
		{Key: "logLevel", Value: "debug", From: file.FromKept},
		{Key: "logLevels.rest", Value: "warn", From: file.FromFile, Place: "cordage.yaml:8"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestSettingsOfASandboxWithData: what is in the data stays, and a file that says otherwise is an error.
func TestSettingsOfASandboxWithData(t *testing.T) {
	t.Parallel()
	f, err := file.Parse("cordage.yaml", []byte("runtime: auto\ntopics: {partitions: 4}\n"))
	if err != nil {
		t.Fatal(err)
	}
	kept := sandbox.DefaultSpec("dev")
	kept.Runtime = sandbox.Containers
	got, err := file.Settings(file.Sources{Kept: kept, Stored: true, File: f})
	if err != nil {
		t.Error(err)
	}
	want := map[string]file.Setting{
		"runtime":           {Key: "runtime", Value: "container", From: file.FromKept, Fixed: true},
		"topics.partitions": {Key: "topics.partitions", Value: 4, From: file.FromKept, Fixed: true},
		"kafka.brokers":     {Key: "kafka.brokers", Value: 1, From: file.FromKept, Fixed: true},
		"databases":         {Key: "databases", Value: "shared", From: file.FromKept, Fixed: true},
	}
	for _, s := range got {
		if w, ok := want[s.Key]; ok && s != w {
			t.Errorf("%s is %+v, want %+v", s.Key, s, w)
		}
	}
	_, err = file.Settings(file.Sources{Kept: kept, Stored: true, File: f, Flags: sandbox.Wish{Runtime: sandbox.Processes}})
	if fixed, ok := errors.AsType[*sandbox.FixedError](err); !ok || fixed.What != "runtime" {
		t.Errorf("another runtime gives %v", err)
	}
}

// TestWhatComesOverWhat: of every key, a flag comes over the file, the file over what the sandbox keeps, that over the default.
func TestWhatComesOverWhat(t *testing.T) {
	t.Parallel()
	const none = "(none)" // not among the settings
	for key, tc := range map[string]struct {
		initial any // by default
		keep    func(*sandbox.Spec)
		kept    any
		text    string
		file    any
		flag    sandbox.Wish
		flagged any // nil: there is no flag for it
		name    string
	}{
		"databases": {
			"shared", func(s *sandbox.Spec) { s.Databases = sandbox.Separate }, "separate", "databases: shared", "shared", sandbox.Wish{Databases: sandbox.Separate}, "separate", "--databases",
		},
		"topics.partitions": {4, func(s *sandbox.Spec) { s.Partitions = 5 }, 5, "topics: {partitions: 6}", 6, sandbox.Wish{Partitions: 7}, 7, "--partitions"},
		"kafka.brokers":     {1, func(s *sandbox.Spec) { s.Brokers = 3 }, 3, "kafka: {brokers: 1}", 1, sandbox.Wish{Brokers: 3}, 3, "--brokers"},
		"logLevel":          {"info", func(s *sandbox.Spec) { s.LogLevel = "warn" }, "warn", "logLevel: error", "error", sandbox.Wish{LogLevel: "debug"}, "debug", "--log-level"},
		"seed":              {none, func(s *sandbox.Spec) { s.Seed = 5 }, uint64(5), "seed: 6", uint64(6), sandbox.Wish{Seed: 7}, uint64(7), "--seed"},
		"replicas.rest": {
			1, func(s *sandbox.Spec) { s.Replicas["rest"] = 2 }, 2, "replicas: {rest: 3}", 3, sandbox.Wish{Replicas: map[string]int{"rest": 4}}, 4, "--replicas",
		},
		"ports.rest": {
			0, func(s *sandbox.Spec) { s.Ports = map[string]int{"lb-1/rest": 7001} }, 7001, "ports: {lb-1/rest: 7002}", 7002, sandbox.Wish{Ports: map[string]int{"rest": 7003}}, 7003, "--port",
		},
		"ports.crypto-1/monitor": {
			none, func(s *sandbox.Spec) { s.Ports = map[string]int{"crypto-1/monitor": 7001} }, 7001, "ports: {crypto-1/monitor: 7002}", 7002,
			sandbox.Wish{Ports: map[string]int{"crypto-1/monitor": 7003}}, 7003, "--port",
		},
		"images.postgres": {
			none, func(s *sandbox.Spec) { s.Images.Postgres = "a:1" }, "a:1", "images: {postgres: 'a:2'}", "a:2", sandbox.Wish{Images: sandbox.Images{Postgres: "a:3"}}, "a:3", "--postgres-image",
		},
		"images.kafka": {
			none, func(s *sandbox.Spec) { s.Images.Kafka = "a:1" }, "a:1", "images: {kafka: 'a:2'}", "a:2", sandbox.Wish{Images: sandbox.Images{Kafka: "a:3"}}, "a:3", "--kafka-image",
		},
		"images.base": {
			none, func(s *sandbox.Spec) { s.Images.Base = "a:1" }, "a:1", "images: {base: 'a:2'}", "a:2", sandbox.Wish{Images: sandbox.Images{Base: "a:3"}}, "a:3", "--base-image",
		},
		"logLevels.crypto": {none, func(s *sandbox.Spec) { s.LogLevels = map[string]string{"crypto": "warn"} }, "warn", "logLevels: {crypto: debug}", "debug", sandbox.Wish{}, nil, ""},
		"limits.kafka.memory": {
			none, func(s *sandbox.Spec) { s.Limits = map[string]sandbox.Limit{"kafka": {MemoryBytes: 1 << 30}} }, "1GiB", "limits: {kafka: {memory: 2GiB}}", "2GiB", sandbox.Wish{}, nil, "",
		},
		"limits.kafka.cpus": {
			none, func(s *sandbox.Spec) { s.Limits = map[string]sandbox.Limit{"kafka": {CPUs: 1}} }, 1.0, "limits: {kafka: {cpus: 2}}", 2.0, sandbox.Wish{}, nil, "",
		},
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			f, err := file.Parse("x.yaml", []byte(tc.text+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			kept := sandbox.DefaultSpec("dev")
			tc.keep(&kept)
			check := func(s file.Sources, want file.Setting) {
				t.Helper()
				got := file.Setting{Value: none}
				all, err := file.Settings(s)
				for _, x := range all {
					if x.Key == key {
						got = x
					}
				}
				if want.Value != none {
					want.Key = key
				}
				if got != want || err != nil {
					t.Errorf("it is %+v, %v; want %+v", got, err, want)
				}
			}
			byDefault := file.Setting{Value: tc.initial, From: file.FromDefault}
			if tc.initial == none {
				byDefault.From = ""
			}
			check(file.Sources{Kept: sandbox.DefaultSpec("dev")}, byDefault)
			check(file.Sources{Kept: kept}, file.Setting{Value: tc.kept, From: file.FromKept})
			check(file.Sources{Kept: kept, File: f}, file.Setting{Value: tc.file, From: file.FromFile, Place: "x.yaml:1"})
			if tc.flagged != nil {
				check(file.Sources{Kept: kept, File: f, Flags: tc.flag}, file.Setting{Value: tc.flagged, From: file.FromFlag, Place: tc.name})
			}
		})
	}
}
