package image_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	images "github.com/cordage-sandbox/cordage/sandbox/image"
)

// shelf is an engine that keeps what it is asked to build, as its name and labels. The real one will not do: what these
// tests put there would be taken for an image of Kafka by whatever else uses it.
type shelf struct {
	images.Engine
	all []image.Summary
}

func (s *shelf) ImageBuild(_ context.Context, from io.Reader, o client.ImageBuildOptions) (client.ImageBuildResult, error) {
	_, err := io.Copy(io.Discard, from)
	s.all = append(s.all, image.Summary{
		ID: fmt.Sprintf("sha256:%d", len(s.all)), RepoTags: o.Tags, Labels: o.Labels, Created: int64(len(s.all)),
	})
	return client.ImageBuildResult{Body: io.NopCloser(eof{})}, err
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

func (s *shelf) ImageInspect(_ context.Context, ref string, _ ...client.ImageInspectOption) (client.ImageInspectResult, error) {
	var found client.ImageInspectResult
	for _, i := range s.all {
		if slices.Contains(i.RepoTags, ref) {
			found.ID = i.ID
			return found, nil
		}
	}
	return found, cerrdefs.ErrNotFound
}

func (s *shelf) ImageList(_ context.Context, o client.ImageListOptions) (found client.ImageListResult, _ error) {
	for _, i := range s.all {
		fits := true
		for label := range o.Filters["label"] {
			_, named := i.Labels[label]
			fits = fits && (named || slices.Contains(pairs(i.Labels), label))
		}
		if fits {
			found.Items = append(found.Items, i)
		}
	}
	return found, nil
}

func pairs(labels map[string]string) (all []string) {
	for name := range maps.Keys(labels) {
		all = append(all, name+"="+labels[name])
	}
	return all
}

// An image that was built on a base of the user's own is taken without naming the base again: the latest of them, after
// one on the default base, before the public one, and never where another base is asked for.
func TestBuiltOnAnotherBase(t *testing.T) {
	t.Parallel()
	engine := &shelf{all: []image.Summary{{ID: "sha256:public", RepoTags: []string{images.PublicKafka}}}}
	on := func(base string) images.Set { return images.Set{Engine: engine, Cache: cacheOf(t), Base: base} }
	build := func(base string) string {
		t.Helper()
		name, err := on(base).Build(t.Context(), sandbox.Kafka, func(sandbox.Progress) {})
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	find := func(base, want, when string) {
		t.Helper()
		if found, _, err := on(base).Find(t.Context(), sandbox.Kafka); err != nil || found.Name != want {
			t.Errorf("with base %q %s: Find gives %s, %v; want %s", base, when, found.Name, err, want)
		}
	}
	find("", images.PublicKafka, "and nothing built")
	first := build("first")
	find("", first, "and one built on another")
	find("first", first, "and one built on it")
	find("second", images.PublicKafka, "and one built on another")
	second := build("second")
	find("", second, "and two built on others")
	standard := build(images.DefaultBase)
	build("third")
	find("", standard, "and one built on the default one")

	// One whose name went to a later build has none, and is not offered under the text that stands for it.
	engine.all[1].RepoTags = []string{"<none>:<none>"}
	all, err := on("").List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, i := range all {
		if i.Name == "<none>:<none>" {
			t.Errorf("listed: %+v", i)
		}
		if i.Used {
			used = append(used, i.Name)
		}
	}
	if !slices.Equal(used, []string{standard}) {
		t.Errorf("the next start uses %v; want %s alone", used, standard)
	}
}

// Whoever waits for an image that another is making is told so, and can be called off.
func TestWaitsForAnother(t *testing.T) {
	t.Parallel()
	cache, err := artefact.Open(artefact.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := cache.Lock(t.Context(), "image-"+string(sandbox.Kafka), func() {})
	if err != nil {
		t.Fatal(err)
	}
	engine := &shelf{}
	set := images.Set{Engine: engine, Cache: cache}
	enough := errors.New("that is enough")
	ctx, stop := context.WithCancelCause(t.Context())
	var told []string
	_, err = set.Ensure(ctx, sandbox.Kafka, func(p sandbox.Progress) { told = append(told, p.Step); stop(enough) })
	if want := []string{"wait for another cordage that makes the image of Kafka"}; !errors.Is(err, enough) || !slices.Equal(told, want) {
		t.Errorf("it tells %q and ends with %v, want %q and %v", told, err, want, enough)
	}
	_, err = set.Ensure(t.Context(), sandbox.Kafka, func(sandbox.Progress) { // when the other is ready its image is taken
		engine.all = []image.Summary{{ID: "sha256:made", RepoTags: []string{images.PublicKafka}}}
		unlock()
	})
	if err != nil {
		t.Errorf("after the other is ready: %v", err)
	}
}
