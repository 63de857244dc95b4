package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/container"
	"github.com/cordage-sandbox/cordage/sandbox/image"
	"github.com/cordage-sandbox/cordage/sandbox/process"
	"github.com/cordage-sandbox/cordage/sandbox/supervisor"
)

// newRuntime makes the runtime that a sandbox has, or by the wish is to have, and that runs the given program as workers.
// Without a program it can find, stop and read logs, and start no workers. This is the one place that knows that there are
// two of them.
func newRuntime(ctx context.Context, d sandbox.Dir, program string, wish sandbox.Wish) (sandbox.Runtime, error) {
	cache, err := artefact.Open(artefact.Options{Offline: wish.Offline})
	if err != nil {
		return nil, err
	}
	spec := sandbox.DefaultSpec(d.Name)
	if state, err := supervisor.ReadState(d); err == nil { // the supervisor tells of a damaged one
		if next, err := wish.Apply(state.Spec, state.Data); err == nil { // and of a wish that cannot be granted
			spec = next
		} else {
			spec = state.Spec
		}
	}
	if spec.Runtime == sandbox.Containers {
		return container.New(ctx, container.Options{
			Dir: d.Path, Sandbox: d.Name, Version: versions()["cordage"], Images: imageSet(cache, program, spec.Images, wish.Offline),
		})
	}
	return process.New(process.Options{Dir: d.Path, Cache: cache, Program: program})
}

// imageSet are the images of a sandbox, without the engine that has them.
func imageSet(cache *artefact.Cache, program string, chosen sandbox.Images, offline bool) image.Set {
	return image.Set{
		Cache: cache, Program: program, Offline: offline,
		PostgreSQL: chosen.Postgres, Kafka: chosen.Kafka, Base: chosen.Base,
	}
}

// onlyLook is the wish of a command that starts nothing.
func onlyLook() sandbox.Wish { return sandbox.Wish{Offline: true} }

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
