package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/container"
	"github.com/cordage-sandbox/cordage/sandbox/image"
	"github.com/cordage-sandbox/cordage/sandbox/supervisor"
)

// settleRuntime settles which runtime a start takes where that is left open, and says so.
func (a *app) settleRuntime(ctx context.Context, d sandbox.Dir, wish sandbox.Wish) sandbox.Wish {
	if wish.Runtime != "" && wish.Runtime != sandbox.Auto {
		return wish
	}
	wish.Runtime = ""
	state, err := supervisor.ReadState(d)
	if err != nil || state.Data || state.Wanted {
		return wish // it is what it was; the supervisor tells of a damaged file
	}
	if wish.Runtime, wish.RuntimeWhy, err = automatic(ctx, d, wish); err != nil { // interrupted
		wish.Runtime, wish.RuntimeWhy = "", ""
		return wish
	}
	a.note("runtime %s: %s", wish.Runtime, wish.RuntimeWhy)
	return wish
}

// engineLimit is how long a container engine may take to answer before it counts as not there.
const engineLimit = 2 * time.Second

// found is what there is to choose from.
type found struct {
	engine  string // version of the container engine; "": none answers
	silent  bool   // it does not tell of its images
	missing string // image of a server that is not at the engine
	unfit   string // why this program cannot be the workers' image
	noJava  bool   // for Kafka's process
	offline bool
}

// automatic chooses a runtime, and says why.
func automatic(ctx context.Context, d sandbox.Dir, wish sandbox.Wish) (runtime, why string, err error) {
	f, err := look(ctx, d, wish)
	if err == nil {
		runtime, why = f.choose()
	}
	return runtime, why, err
}

// choose takes containers where that costs nothing now: an engine answers, the images of PostgreSQL and Kafka are there, and
// this program can be the workers' image. Fetching or building images takes minutes, which nobody who has just typed
// "cordage up" has asked for, unless processes cannot be had at all.
func (f found) choose() (runtime, why string) {
	answers := "container engine " + f.engine + " answers"
	switch {
	case f.engine == "":
		return sandbox.Processes, "no container engine answers"
	case f.silent:
		return sandbox.Processes, answers + ", but does not tell of its images"
	case f.unfit != "":
		return sandbox.Processes, answers + ", but this program cannot be the workers' image: " + f.unfit
	case f.missing == "":
		return sandbox.Containers, answers + ", and the images are there"
	case f.noJava && !f.offline:
		return sandbox.Containers, answers + ", and there is no Java for processes; images are fetched or built first, which takes minutes"
	}
	return sandbox.Processes, fmt.Sprintf("%s, but image %s is not there yet (cordage images pull, or build, gets it)", answers, f.missing)
}

// look finds out what there is to choose from.
//
// Errors: that of ctx, and those of keeping a copy of this program.
func look(ctx context.Context, d sandbox.Dir, wish sandbox.Wish) (found, error) {
	f := found{offline: wish.Offline}
	asking, cancel := context.WithTimeout(ctx, engineLimit)
	defer cancel()
	engine, err := container.Connect(asking)
	if ctx.Err() != nil {
		return f, ctx.Err()
	}
	if err != nil {
		return f, nil //nolint:nilerr // there is none
	}
	defer engine.Close()
	f.engine = engine.Facts().Version
	program, err := keepProgram(d)
	if err != nil {
		return f, err
	}
	set := imageSet(nil, program, wish.Images, wish.Offline)
	set.Engine = engine
	for _, kind := range []sandbox.Kind{sandbox.PostgreSQL, sandbox.Kafka} {
		image, there, err := set.Find(asking, kind)
		if err != nil {
			f.silent = true
		} else if !there {
			f.missing = image.Name
		}
	}
	_, _, err = set.Find(ctx, sandbox.Worker)
	if unfit, ok := errors.AsType[*image.ProgramError](err); ok {
		f.unfit = unfit.Why
	}
	_, err = artefact.FindJava(ctx)
	f.noJava = err != nil
	return f, nil
}
