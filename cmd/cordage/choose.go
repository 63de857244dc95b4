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

// automatic chooses a runtime, and says why. Containers are taken where that costs nothing now: an engine answers, the
// images of PostgreSQL and Kafka are there, and this program can be the workers' image. Fetching or building images takes
// minutes, which nobody who has just typed "cordage up" has asked for, unless processes cannot be had at all.
func automatic(ctx context.Context, d sandbox.Dir, wish sandbox.Wish) (runtime, why string, err error) {
	asking, cancel := context.WithTimeout(ctx, engineLimit)
	defer cancel()
	engine, err := container.Connect(asking)
	if ctx.Err() != nil {
		return "", "", ctx.Err()
	}
	if err != nil {
		return sandbox.Processes, "no container engine answers", nil
	}
	defer engine.Close()
	version := "container engine " + engine.Facts().Version
	if err := d.Make(); err != nil { // with the modes that PostgreSQL's own user needs
		return "", "", err
	}
	program, err := keepProgram(d)
	if err != nil {
		return "", "", err
	}
	set := imageSet(nil, program, wish.Images, wish.Offline)
	set.Engine = engine
	missing := ""
	for _, kind := range []sandbox.Kind{sandbox.PostgreSQL, sandbox.Kafka} {
		if found, there, err := set.Find(asking, kind); err == nil && !there {
			missing = found.Name
		} else if err != nil {
			return sandbox.Processes, fmt.Sprintf("%s answers, but does not tell of its images", version), nil
		}
	}
	_, _, err = set.Find(ctx, sandbox.Worker)
	unfit, isUnfit := errors.AsType[*image.ProgramError](err)
	_, javaErr := artefact.FindJava(ctx)
	switch {
	case isUnfit:
		return sandbox.Processes, fmt.Sprintf("%s answers, but this program cannot be the workers' image: %s", version, unfit.Why), nil
	case missing == "":
		return sandbox.Containers, version + " answers, and the images are there", nil
	case javaErr != nil && !wish.Offline:
		return sandbox.Containers, fmt.Sprintf("%s answers, and there is no Java for processes; images are fetched or built, which takes minutes once", version), nil
	}
	return sandbox.Processes, fmt.Sprintf("%s answers, but image %s is not there yet (cordage images pull, or build, gets it)", version, missing), nil
}
