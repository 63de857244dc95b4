package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/container"
	"github.com/cordage-sandbox/cordage/sandbox/image"
	"github.com/cordage-sandbox/cordage/sandbox/supervisor"
)

func (a *app) newImagesCmd() *cobra.Command {
	var chosen sandbox.Images
	cmd := &cobra.Command{
		Use:   "images",
		Short: "List, build or pull the images that containers are made of",
		Long: `Containers are made of three images: PostgreSQL and Kafka, pulled from a registry or built from the artefacts that the
process runtime runs, and the workers', built from this very program. "cordage up" pulls or builds what is missing; here it
can be done beforehand. Where no registry is reachable, build on an image that the engine has: --base.`,
		Example: "  cordage images list\n  cordage images build --base my-debian-with-java\n  cordage images pull postgres",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := &cobra.Command{
		Use: "list", Short: "List the images, present or not, and which the next start uses", Args: cobra.NoArgs,
		Long:    "List the images that would do, whether the engine has them, and which of them the next start uses.",
		Example: "  cordage images list\n  cordage images list --json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.listImages(cmd.Context(), chosen) },
	}
	build := a.newImagesMakeCmd("build", "Build images from this program and its artefacts", &chosen, image.Set.Build,
		"Build images: of the servers from the pinned artefacts in the cache, of the workers from this program. Without a name all.")
	pull := a.newImagesMakeCmd("pull", "Pull the public images of the servers", &chosen, image.Set.Pull,
		"Pull the images of the servers from their registry, with the login that Docker's own configuration has for it. Without a\nname both. The workers' image is in no registry.")
	for _, c := range []*cobra.Command{list, build} {
		c.Flags().StringVar(&chosen.Base, "base", "", fmt.Sprintf("`image` on which those of servers are built (default %s): a Debian, with Java 17 or a network", image.DefaultBase))
	}
	for _, c := range []*cobra.Command{list, pull} {
		c.Flags().StringVar(&chosen.Postgres, "postgres-image", "", "`image` of PostgreSQL, which heeds POSTGRES_* as the public one does (default "+image.PublicPostgreSQL+", or built)")
		c.Flags().StringVar(&chosen.Kafka, "kafka-image", "", "`image` of Kafka, with kafka-storage and kafka-server-start on PATH (default "+image.PublicKafka+", or built)")
	}
	cmd.AddCommand(list, build, pull)
	return cmd
}

// newImagesMakeCmd is the command that builds or pulls.
func (a *app) newImagesMakeCmd(use, short string, chosen *sandbox.Images, make func(image.Set, context.Context, sandbox.Kind, func(sandbox.Progress)) (string, error), long string) *cobra.Command {
	kinds := []string{string(sandbox.PostgreSQL), string(sandbox.Kafka)}
	if use == "build" {
		kinds = append(kinds, string(sandbox.Worker))
	}
	return &cobra.Command{
		Use: use + " [" + strings.Join(kinds, "|") + "]...", Short: short, Long: long,
		Example: "  cordage images " + use + "\n  cordage images " + use + " " + kinds[0],
		Args:    cobra.OnlyValidArgs, ValidArgs: kinds,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = kinds
			}
			return a.makeImages(cmd.Context(), *chosen, args, make)
		},
	}
}

// images are those of the sandbox, with an engine that has them.
func (a *app) images(ctx context.Context, chosen sandbox.Images) (image.Set, *container.Engine, error) {
	cache, err := artefact.Open(artefact.Options{})
	if err != nil {
		return image.Set{}, nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return image.Set{}, nil, fmt.Errorf("find this program: %w", err)
	}
	d, err := a.dir()
	if err != nil {
		return image.Set{}, nil, err
	}
	if state, err := supervisor.ReadState(d); err == nil {
		chosen = sandbox.Wish{Images: chosen}.Over(sandbox.Wish{Images: state.Spec.Images}).Images
	}
	engine, err := container.Connect(ctx)
	if err != nil {
		return image.Set{}, nil, err
	}
	set := imageSet(cache, program, chosen, false)
	set.Engine = engine
	return set, engine, nil
}

func (a *app) listImages(ctx context.Context, chosen sandbox.Images) error {
	set, engine, err := a.images(ctx, chosen)
	if err != nil {
		return err
	}
	defer engine.Close()
	all, err := set.List(ctx)
	if err != nil {
		return err
	}
	return a.answer(all, func(w io.Writer) error {
		rows := [][]string{{"FOR", "IMAGE", "FROM", "STATE", "SIZE"}}
		for _, i := range all {
			state := "not there"
			switch {
			case i.Used:
				state = "used by the next start"
			case i.ID != "":
				state = "there"
			}
			rows = append(rows, []string{image.About(i.Kind), i.Name, i.Source, state, size(i.Size)})
		}
		return table(w, rows)
	})
}

// madeImage is one image that was built or pulled.
type madeImage struct {
	Kind sandbox.Kind `json:"kind"`
	Name string       `json:"name"`
}

func (a *app) makeImages(ctx context.Context, chosen sandbox.Images, kinds []string,
	make func(image.Set, context.Context, sandbox.Kind, func(sandbox.Progress)) (string, error),
) error {
	set, engine, err := a.images(ctx, chosen)
	if err != nil {
		return err
	}
	defer engine.Close()
	var made []madeImage
	var faults []error
	slices.Sort(kinds)
	for _, kind := range slices.Compact(kinds) {
		last := ""
		name, err := make(set, ctx, sandbox.Kind(kind), func(p sandbox.Progress) {
			if text := p.Step + ": " + p.Notes; p.Notes != "" && text != last {
				last = text
				a.note("%s", text)
			} else if p.Notes == "" {
				a.note("%s", p.Step)
			}
		})
		if err != nil {
			faults = append(faults, err)
			continue
		}
		made = append(made, madeImage{sandbox.Kind(kind), name})
	}
	err = a.answer(made, func(w io.Writer) error {
		for _, m := range made {
			fmt.Fprintf(w, "%s  %s\n", m.Kind, m.Name)
		}
		return nil
	})
	return errors.Join(append(faults, err)...)
}
