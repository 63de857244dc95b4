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
	LabelRecipe  = "cordage.recipe"  // of what it is made by, but for the base; those of servers have it
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
	Base       string // of what Cordage builds; "": DefaultBase, or whatever it was built on before
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
	sum, err := s.sum(kind, s.base())
	return fmt.Sprintf("cordage-%s:%s-%s", kind, s.version(kind), sum), err
}

// recipe tells what an image of a server is built by: images of one recipe differ in their base only.
func (s Set) recipe(kind sandbox.Kind) (string, error) { return s.sum(kind, "") }

// sum of what goes into an image of a server.
func (s Set) sum(kind sandbox.Kind, base string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, kind, s.version(kind), base)
	err := fs.WalkDir(contexts, "context/"+string(kind), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := contexts.ReadFile(path)
		fmt.Fprintln(h, path, len(text))
		h.Write(text)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)[:5]), err
}

// candidates lists the images that would do, best first, with what the engine knows of them.
func (s Set) candidates(ctx context.Context, kind sandbox.Kind) ([]Image, error) {
	var all []Image
	add := func(name, source string) error {
		i, err := s.look(ctx, Image{Kind: kind, Name: name, Source: source, Version: s.version(kind)})
		all = append(all, i)
		return err
	}
	if name := s.chosen(kind); name != "" {
		err := add(name, "chosen")
		return all, err
	}
	name, err := s.built(kind)
	if err != nil {
		return nil, err
	}
	if err := add(name, "built"); err != nil || kind == sandbox.Worker {
		return all, err
	}
	if s.Base == "" && all[0].ID == "" {
		others, err := s.onOtherBases(ctx, kind)
		if err != nil {
			return nil, err
		}
		all = append(all, others...)
	}
	err = add(public(kind), "public")
	return all, err
}

// onOtherBases lists what was built by today's recipe on whatever base, the latest first: who has built an image on a base
// of their own, since the default one cannot be had, need not name it again.
func (s Set) onOtherBases(ctx context.Context, kind sandbox.Kind) ([]Image, error) {
	recipe, err := s.recipe(kind)
	if err != nil {
		return nil, err
	}
	all, err := s.labelled(ctx, LabelRecipe+"="+recipe)
	slices.SortStableFunc(all, func(a, b Image) int { return b.Created.Compare(a.Created) })
	return all, err
}

// labelled lists the images that Cordage has built and that have a label, "NAME" or "NAME=VALUE". One whose name was given
// to a later one has none, and is left out.
func (s Set) labelled(ctx context.Context, label string) ([]Image, error) {
	found, err := s.Engine.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("label", label)})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var all []Image
	for _, f := range found.Items {
		for _, name := range f.RepoTags {
			if name == "<none>:<none>" { // as engines before Docker 25 say that there is no name
				continue
			}
			all = append(all, Image{
				Kind: sandbox.Kind(f.Labels[LabelKind]), Name: name, Source: "built", ID: f.ID, Size: f.Size,
				Created: time.Unix(f.Created, 0).UTC(), Version: f.Labels[LabelVersion],
			})
		}
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
		candidates, err := s.candidates(ctx, kind)
		if _, unfit := errors.AsType[*ProgramError](err); unfit {
			continue
		}
		if err != nil {
			return nil, err
		}
		used := false
		for _, c := range candidates {
			c.Used = !used && c.ID != ""
			used = used || c.Used
			all = append(all, c)
		}
	}
	old, err := s.labelled(ctx, LabelKind)
	for _, o := range old {
		if !slices.ContainsFunc(all, func(i Image) bool { return i.Name == o.Name }) {
			all = append(all, o)
		}
	}
	return all, err
}

// Find gives the image to run a kind of node in, if one is at the engine.
func (s Set) Find(ctx context.Context, kind sandbox.Kind) (Image, bool, error) {
	candidates, err := s.candidates(ctx, kind)
	if err != nil {
		return Image{}, false, err
	}
	for _, c := range candidates {
		if c.ID != "" {
			return c, true, nil
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
	unlock, err := s.Cache.Lock(ctx, "image-"+string(kind), func() {
		progress(sandbox.Progress{Step: "wait for another cordage that makes the image of " + About(kind), Done: -1})
	})
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
