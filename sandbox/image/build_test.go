package image_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/image"
)

func cacheOf(t *testing.T) *artefact.Cache {
	t.Helper()
	c, err := artefact.Open(artefact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A program that cannot be the workers' image is refused before the engine is asked, with the reason.
func TestProgramsThatAreNoImage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o700); err != nil { //nolint:gosec // it stands for a program
		t.Fatal(err)
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	for program, want := range map[string]string{
		text: "no Linux executable", shell: "linked with the system's C library", filepath.Join(dir, "none"): "no such file",
	} {
		_, err := image.Set{Program: program}.Build(t.Context(), sandbox.Worker, func(sandbox.Progress) {})
		unfit, ok := errors.AsType[*image.ProgramError](err)
		if !ok || !strings.Contains(err.Error(), want) || !strings.Contains(unfit.Hint(), "CGO_ENABLED=0") {
			t.Errorf("Build of %s: %v; want a *ProgramError with %q", program, err, want)
		}
	}
}

// A build that fails says which image, on which base, why, and what the engine's last words were.
func TestBuildFails(t *testing.T) {
	t.Parallel()
	e := needEngine(t)
	s := image.Set{Engine: e, Cache: cacheOf(t), Base: "127.0.0.1:1/no/such/base:1"}
	var told []string
	_, err := s.Build(t.Context(), sandbox.Kafka, func(p sandbox.Progress) { told = append(told, p.Step) })
	failed, ok := errors.AsType[*image.BuildError](err)
	if !ok || failed.Base != s.Base || !strings.HasPrefix(failed.Image, "cordage-kafka:") || !strings.Contains(err.Error(), "127.0.0.1:1") ||
		!strings.Contains(failed.Hint(), "debootstrap") {
		t.Errorf("Build: %v; want a *BuildError that names the base", err)
	}
	if len(told) == 0 || told[0] != "build "+failed.Image {
		t.Errorf("progress is %v", told)
	}
}
