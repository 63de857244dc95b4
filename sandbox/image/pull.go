package image

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// quietLimit is how long a pull may tell nothing at its begin: a registry that cannot be reached is often not refused but
// never answered.
const quietLimit = 20 * time.Second

// Pull fetches the public image of a kind, or the one that the user has chosen.
//
// Errors: *MissingError.
func (s Set) Pull(ctx context.Context, kind sandbox.Kind, progress func(sandbox.Progress)) (string, error) {
	name := s.chosen(kind)
	if name == "" {
		name = public(kind)
	}
	if name == "" {
		return "", &MissingError{For: About(kind), Image: "cordage-worker", Why: errors.New("it is in no registry"), Remedy: "build it: cordage images build"}
	}
	return name, s.pull(ctx, kind, name, progress)
}

func (s Set) pull(ctx context.Context, kind sandbox.Kind, name string, progress func(sandbox.Progress)) error {
	missing := func(why error) error {
		remedy := "where no registry is reachable, build one from Cordage's own artefacts: cordage images build --base IMAGE (an image of a Debian with Java 17)"
		if s.chosen(kind) != "" {
			remedy = fmt.Sprintf("bring it from a machine that has it: docker save %[1]s > image.tar there, docker load < image.tar here; or leave the choice of an image out", name)
		}
		return &MissingError{For: About(kind), Image: name, Why: why, Remedy: remedy}
	}
	if s.Offline {
		return missing(errors.New("it is not at the engine, and nothing is to be fetched (offline)"))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(quietLimit, func() { cancel(fmt.Errorf("the registry did not answer within %v", quietLimit)) })
	defer silence.Stop()
	why := func(err error) error {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return missing(fmt.Errorf("pull it: %s", short(err.Error())))
	}
	progress(sandbox.Progress{Step: "pull " + name, Done: -1})
	stream, err := s.Engine.ImagePull(ctx, name, client.ImagePullOptions{RegistryAuth: authOf(ctx, name)})
	if err != nil {
		return why(err)
	}
	defer stream.Close()
	layers := map[string]layer{}
	for m, err := range stream.JSONMessages(ctx) {
		silence.Stop()
		switch {
		case err != nil:
			return why(err)
		case m.Error != nil:
			return why(m.Error)
		case m.Progress != nil && m.ID != "":
			l := layers[m.ID]
			if m.Status == "Downloading" {
				l = layer{m.Progress.Current, m.Progress.Total}
			}
			layers[m.ID] = l
			progress(pulled(name, layers))
		}
	}
	return nil
}

// layer is how much of a layer is there, in bytes.
type layer struct{ done, total int64 }

func pulled(name string, layers map[string]layer) sandbox.Progress {
	var done, total int64
	for _, l := range layers {
		done, total = done+l.done, total+l.total
	}
	p := sandbox.Progress{Step: "pull " + name, Done: -1}
	if total > 0 {
		const megabyte = 1 << 20
		p.Done, p.Notes = float64(done)/float64(total), fmt.Sprintf("%d of %d MiB", done/megabyte, total/megabyte)
	}
	return p
}

// authOf is the login for the image's registry that the user's Docker configuration keeps, as the engine wants it.
func authOf(ctx context.Context, name string) string {
	_, login, err := testcontainers.DockerImageAuth(ctx, name)
	if err != nil {
		return "" // without one, public images can be pulled
	}
	text, err := json.Marshal(login)
	if err != nil {
		return ""
	}
	return base64.URLEncoding.EncodeToString(text)
}
