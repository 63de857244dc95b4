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
		Cache: cache, Program: program, Offline: offline, Version: versions()["cordage"],
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

// purgeLeft removes what a sandbox has at a container engine although its directory does not tell of it any more: it was
// removed by hand, or is damaged. The result tells whether there was something.
func purgeLeft(ctx context.Context, d sandbox.Dir) (bool, error) {
	engine, left := leftAtEngine(ctx)
	if engine == nil {
		return false, nil
	}
	defer engine.Close()
	for _, l := range left {
		if l.Here && l.Dir == d.Path {
			return true, engine.RemoveAll(ctx, d.Path)
		}
	}
	return false, nil
}

// leftAtEngine lists what all sandboxes have at the container engine; no engine if none answers.
func leftAtEngine(ctx context.Context) (*container.Engine, []container.Leftover) {
	asking, cancel := context.WithTimeout(ctx, engineLimit)
	defer cancel()
	engine, err := container.Connect(asking)
	if err != nil {
		return nil, nil
	}
	left, err := engine.Leftovers(asking)
	if err != nil {
		engine.Close()
		return nil, nil
	}
	return engine, left
}
