package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Build makes an image, also where there is one already.
//
// Errors: *BuildError, *ProgramError, and those of the cache.
func (s Set) Build(ctx context.Context, kind sandbox.Kind, progress func(sandbox.Progress)) (string, error) {
	name, err := s.built(kind)
	if err != nil {
		return "", err
	}
	var fill func(*tar.Writer) error
	base := s.base()
	switch kind {
	case sandbox.PostgreSQL:
		bin, err := s.Cache.PostgreSQL(ctx)
		if err != nil {
			return "", err
		}
		fill = func(t *tar.Writer) error { return addTree(t, os.DirFS(bin.Dir), "postgresql") }
	case sandbox.Kafka:
		kafka, err := s.Cache.Kafka(ctx)
		if err != nil {
			return "", err
		}
		fill = func(t *tar.Writer) error {
			for _, jar := range kafka.Jars {
				if err := addFile(t, jar, "libs/"+filepath.Base(jar), readable); err != nil {
					return err
				}
			}
			return nil
		}
	case sandbox.Worker:
		base = ""
		program, err := openProgram(s.Program)
		if err != nil {
			return "", err
		}
		defer program.Close()
		fill = program.add
	}
	context := func(t *tar.Writer) error {
		dir, err := fs.Sub(contexts, "context/"+string(kind))
		if err != nil {
			return err
		}
		return errors.Join(addTree(t, dir, ""), fill(t))
	}
	labels := map[string]string{LabelKind: string(kind), LabelVersion: s.version(kind)}
	if kind != sandbox.Worker {
		if labels[LabelRecipe], err = s.recipe(kind); err != nil {
			return "", err
		}
	}
	return name, s.run(ctx, build{name: name, base: base, labels: labels}, context, progress)
}

// build is what is built.
type build struct {
	name, base string
	labels     map[string]string
}

// run sends a context to the engine and follows the build.
func (s Set) run(ctx context.Context, b build, context func(*tar.Writer) error, progress func(sandbox.Progress)) error {
	step := "build " + b.name
	progress(sandbox.Progress{Step: step, Done: -1})
	from, to := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		t := tar.NewWriter(to)
		err := context(t)
		if err == nil {
			err = t.Close()
		}
		to.CloseWithError(err)
		sent <- err
	}()
	o := client.ImageBuildOptions{
		Tags: []string{b.name}, Remove: true, ForceRemove: true,
		Labels: b.labels,
	}
	if b.base != "" {
		o.BuildArgs = map[string]*string{"BASE": &b.base}
	}
	result, err := s.Engine.ImageBuild(ctx, from, o)
	from.Close()
	if sendErr := <-sent; err != nil {
		if sendErr != nil && !errors.Is(sendErr, io.ErrClosedPipe) {
			err = sendErr
		}
		return &BuildError{Image: b.name, Cause: short(err.Error()), Base: b.base}
	}
	defer result.Body.Close()
	return follow(result.Body, b, func(text string) { progress(sandbox.Progress{Step: step, Done: -1, Notes: text}) })
}

// follow reads what the engine tells of a build.
func follow(from io.Reader, b build, tell func(string)) error {
	const keep = 15
	var tail []string
	for d := json.NewDecoder(from); ; {
		var m jsonstream.Message
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return &BuildError{Image: b.name, Cause: "the engine broke off: " + short(err.Error()), Log: tail, Base: b.base}
		}
		if m.Error != nil {
			return &BuildError{Image: b.name, Cause: short(m.Error.Message), Log: tail, Base: b.base}
		}
		text := strings.TrimSpace(m.Stream + m.Status)
		if text == "" || strings.HasPrefix(text, "--->") {
			continue
		}
		tail = append(tail, text)
		tail = tail[max(0, len(tail)-keep):]
		tell(firstLine(text))
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// Modes in images: everybody may read.
const (
	readable   = 0o644
	executable = 0o755
)

// addTree adds a folder below a name.
func addTree(t *tar.Writer, from fs.FS, below string) error {
	return fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h := &tar.Header{Name: path.Join(below, name), Mode: readable}
		switch {
		case d.IsDir():
			h.Typeflag, h.Mode = tar.TypeDir, executable
			if h.Name += "/"; name == "." && below == "" {
				return nil
			}
			return t.WriteHeader(h)
		case d.Type()&fs.ModeSymlink != 0:
			h.Typeflag = tar.TypeSymlink
			if h.Linkname, err = fs.ReadLink(from, name); err != nil {
				return err
			}
			return t.WriteHeader(h)
		case !d.Type().IsRegular():
			return nil
		}
		if info.Mode()&0o111 != 0 || isScript(name) {
			h.Mode = executable
		}
		f, err := from.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		h.Size = info.Size()
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err = io.Copy(t, f)
		return err
	})
}

// isScript tells which of the embedded files, which have no modes, are run.
func isScript(name string) bool {
	return strings.HasSuffix(name, ".sh") || path.Dir(name) == "bin"
}

func addFile(t *tar.Writer, from, name string, mode int64) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	if _, err := io.Copy(t, f); err != nil {
		return fmt.Errorf("send %s: %w", from, err)
	}
	return nil
}
