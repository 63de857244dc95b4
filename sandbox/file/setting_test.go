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
