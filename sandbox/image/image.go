// Package image finds, pulls and builds the container images that a sandbox runs in: PostgreSQL and Kafka from the pinned
// artefacts of package artefact or from a registry, and the workers from this very program. It knows the engine, and
// nothing of sandboxes; workers must not import it.
package image

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
)

// Labels of every image that Cordage builds.
const (
	LabelKind    = "cordage.kind"    // postgres, kafka, worker
	LabelVersion = "cordage.version" // of what is in it
)

// DefaultBase is what images of servers are built on.
const DefaultBase = "debian:bookworm-slim"

// Public images, where a registry is reachable.
const (
	PublicPostgreSQL = "postgres:14.4"
	PublicKafka      = "confluentinc/cp-kafka:7.2.15" // Kafka 3.2
)

//go:embed all:context
var contexts embed.FS

// Engine is what of the engine's API is needed. *client.Client is one.
type Engine interface {
	ImageInspect(ctx context.Context, ref string, o ...client.ImageInspectOption) (client.ImageInspectResult, error)
	ImageList(ctx context.Context, o client.ImageListOptions) (client.ImageListResult, error)
	ImagePull(ctx context.Context, ref string, o client.ImagePullOptions) (client.ImagePullResponse, error)
	ImageRemove(ctx context.Context, ref string, o client.ImageRemoveOptions) (client.ImageRemoveResult, error)
	client.ImageBuildAPIClient
}

// Set are the images of a sandbox.
type Set struct {
	Engine  Engine
	Cache   *artefact.Cache
	Program string // executable of Cordage that workers run
	Offline bool   // pull nothing
	Version string // of Cordage, for the label of the workers' image

	PostgreSQL string // chosen by the user; "": PublicPostgreSQL, or what Cordage builds
	Kafka      string // the same
	Base       string // of what Cordage builds; "": DefaultBase
}

// Image is one image, there or not.
type Image struct {
	Kind    sandbox.Kind `json:"kind"`
	Name    string       `json:"name"`              // with tag
	Source  string       `json:"source"`            // "built" by Cordage, or "public"
	ID      string       `json:"id,omitempty"`      // "" if it is not at the engine
	Size    int64        `json:"bytes,omitempty"`   //
	Created time.Time    `json:"created,omitzero"`  //
	Used    bool         `json:"used"`              // by the next start
	Version string       `json:"version,omitempty"` // of what is in it
}

// Kinds are all that need images.
func Kinds() []sandbox.Kind { return []sandbox.Kind{sandbox.PostgreSQL, sandbox.Kafka, sandbox.Worker} }

// About is what people call what an image is for.
func About(kind sandbox.Kind) string {
	return map[sandbox.Kind]string{sandbox.PostgreSQL: "PostgreSQL", sandbox.Kafka: "Kafka", sandbox.Worker: "the workers"}[kind]
}

func (s Set) base() string {
	if s.Base != "" {
		return s.Base
	}
	return DefaultBase
}

// chosen is the image that the user wants; "" if the user left it open.
func (s Set) chosen(kind sandbox.Kind) string {
	return map[sandbox.Kind]string{sandbox.PostgreSQL: s.PostgreSQL, sandbox.Kafka: s.Kafka}[kind]
}

func public(kind sandbox.Kind) string {
	return map[sandbox.Kind]string{sandbox.PostgreSQL: PublicPostgreSQL, sandbox.Kafka: PublicKafka}[kind]
}

// version of what is in an image that Cordage builds.
func (s Set) version(kind sandbox.Kind) string {
	return map[sandbox.Kind]string{
		sandbox.PostgreSQL: artefact.PostgreSQLVersion, sandbox.Kafka: artefact.KafkaVersion, sandbox.Worker: s.Version,
	}[kind]
}

// built is the name of the image that Cordage builds. Its tag is made from what goes into it, so that another content is
// another image.
func (s Set) built(kind sandbox.Kind) (string, error) {
	if kind == sandbox.Worker {
		sum, err := programSum(s.Program)
		return "cordage-worker:" + sum, err
	}
	h := sha256.New()
	fmt.Fprintln(h, kind, s.version(kind), s.base())
	err := fs.WalkDir(contexts, "context/"+string(kind), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := contexts.ReadFile(path)
		fmt.Fprintln(h, path, len(text))
		h.Write(text)
		return err
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("cordage-%s:%s-%s", kind, s.version(kind), hex.EncodeToString(h.Sum(nil)[:5])), nil
}

// candidates lists the images that would do, best first.
func (s Set) candidates(kind sandbox.Kind) ([]Image, error) {
	if name := s.chosen(kind); name != "" {
		return []Image{{Kind: kind, Name: name, Source: "chosen"}}, nil
	}
	name, err := s.built(kind)
	if err != nil {
		return nil, err
	}
	all := []Image{{Kind: kind, Name: name, Source: "built", Version: s.version(kind)}}
	if p := public(kind); p != "" {
		all = append(all, Image{Kind: kind, Name: p, Source: "public", Version: s.version(kind)})
	}
	return all, nil
}

// look completes an image with what the engine knows of it.
func (s Set) look(ctx context.Context, i Image) (Image, error) {
	found, err := s.Engine.ImageInspect(ctx, i.Name)
	if cerrdefs.IsNotFound(err) {
		return i, nil
	}
	if err != nil {
		return i, fmt.Errorf("look for image %s: %w", i.Name, err)
	}
	i.ID, i.Size = found.ID, found.Size
	i.Created, _ = time.Parse(time.RFC3339Nano, found.Created)
	return i, nil
}

// List gives all images that would do, there or not, and marks those that the next start uses; and the images that
// Cordage built before and no longer uses.
func (s Set) List(ctx context.Context) ([]Image, error) {
	var all []Image
	for _, kind := range Kinds() {
		candidates, err := s.candidates(kind)
		if _, unfit := errors.AsType[*ProgramError](err); unfit {
			continue
		}
		if err != nil {
			return nil, err
		}
		used := false
		for _, c := range candidates {
			if c, err = s.look(ctx, c); err != nil {
				return nil, err
			}
			c.Used = !used && c.ID != ""
			used = used || c.Used
			all = append(all, c)
		}
	}
	old, err := s.Engine.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("label", LabelKind)})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	for _, o := range old.Items {
		for _, name := range o.RepoTags {
			if !slices.ContainsFunc(all, func(i Image) bool { return i.Name == name }) {
				all = append(all, Image{
					Kind: sandbox.Kind(o.Labels[LabelKind]), Name: name, Source: "built", ID: o.ID, Size: o.Size,
					Created: time.Unix(o.Created, 0).UTC(), Version: o.Labels[LabelVersion],
				})
			}
		}
	}
	return all, nil
}

// Find gives the image to run a kind of node in, if one is at the engine.
func (s Set) Find(ctx context.Context, kind sandbox.Kind) (Image, bool, error) {
	candidates, err := s.candidates(kind)
	if err != nil {
		return Image{}, false, err
	}
	for _, c := range candidates {
		if c, err = s.look(ctx, c); err != nil || c.ID != "" {
			return c, c.ID != "", err
		}
	}
	return candidates[0], false, nil
}

// Ensure gives the image to run a kind of node in, pulling or building it if it is not there.
//
// Errors: *MissingError, *BuildError, *ProgramError, and those of the cache.
func (s Set) Ensure(ctx context.Context, kind sandbox.Kind, progress func(sandbox.Progress)) (string, error) {
	found, there, err := s.Find(ctx, kind)
	if err != nil || there {
		return found.Name, err
	}
	unlock, err := s.Cache.Lock(ctx, "image-"+string(kind))
	if err != nil {
		return "", err
	}
	defer unlock()
	if found, there, err := s.Find(ctx, kind); err != nil || there { // another has made it meanwhile
		return found.Name, err
	}
	if kind == sandbox.Worker {
		s.forgetWorkers(ctx)
		return s.Build(ctx, kind, progress)
	}
	name := s.chosen(kind)
	if name != "" {
		return name, s.pull(ctx, kind, name, progress)
	}
	pullErr := s.pull(ctx, kind, public(kind), progress)
	if pullErr == nil {
		return public(kind), nil
	}
	if ctx.Err() != nil {
		return "", pullErr
	}
	name, err = s.Build(ctx, kind, progress)
	if err != nil {
		return "", errors.Join(err, pullErr)
	}
	return name, nil
}

// workerLife is how old an image of workers must be to be removed when a new one takes its place: younger ones may be
// about to be used by somebody else.
const workerLife = time.Hour

// forgetWorkers removes old images of workers that no container uses: each change of the program makes a new one. What
// cannot be removed stays.
func (s Set) forgetWorkers(ctx context.Context) {
	which := make(client.Filters).Add("label", LabelKind+"="+string(sandbox.Worker))
	old, err := s.Engine.ImageList(ctx, client.ImageListOptions{Filters: which})
	if err != nil {
		return
	}
	for _, o := range old.Items {
		if time.Since(time.Unix(o.Created, 0)) > workerLife {
			_, _ = s.Engine.ImageRemove(ctx, o.ID, client.ImageRemoveOptions{PruneChildren: true})
		}
	}
}

// short makes a message of the engine fit into a sentence.
func short(text string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.TrimPrefix(text, "Error response from daemon: "), "\n", " "))
}
