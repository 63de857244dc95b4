package main

import (
	"runtime"
	"runtime/debug"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/process"
)

// newRuntime makes the runtime of a sandbox that runs the given program as workers. Without a program it can find, stop
// and read logs, and start no workers.
func newRuntime(d sandbox.Dir, program string, offline bool) (sandbox.Runtime, error) {
	cache, err := artefact.Open(artefact.Options{Offline: offline})
	if err != nil {
		return nil, err
	}
	return process.New(process.Options{Dir: d.Path, Cache: cache, Program: program})
}

// versions are those of this program and of what it launches.
func versions() map[string]string {
	v := map[string]string{
		"cordage": "development", "postgres": artefact.PostgreSQLVersion, "kafka": artefact.KafkaVersion, "go": runtime.Version(),
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		v["cordage"] = info.Main.Version
	}
	return v
}
