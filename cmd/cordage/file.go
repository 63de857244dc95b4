package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/file"
	"github.com/cordage-sandbox/cordage/sandbox/strictyaml"
	"github.com/cordage-sandbox/cordage/sandbox/supervisor"
)

// sandboxFile reads the sandbox file that is meant; nil where there is none. The name in it becomes that of the sandbox,
// unless a flag has named another.
func (a *app) sandboxFile() (f *file.File, err error) {
	if a.path != "" {
		f, err = file.Read(a.path)
	} else {
		f, err = file.Find("")
	}
	if err != nil {
		return nil, &fileError{err}
	}
	if f != nil && f.Name != "" && !a.named {
		a.name = f.Name
	}
	a.named = true
	return f, nil
}

// fileError is a sandbox file that cannot be used.
type fileError struct{ err error }

func (e *fileError) Error() string {
	if faults, ok := errors.AsType[strictyaml.Faults](e.err); ok {
		return "the sandbox file has faults:\n" + faults.Error()
	}
	return e.err.Error()
}
func (e *fileError) Unwrap() error { return e.err }
func (e *fileError) ExitCode() int { return exitUsage }

// Hint tells how to come by a file, or where it is said what one may hold.
func (e *fileError) Hint() string {
	if none, ok := errors.AsType[*file.NotThereError](e.err); ok {
		return none.Hint()
	}
	return "cordage config schema is what a sandbox file may hold, and cordage init --file NEW.yaml writes one with every setting"
}

// wish is what flags ask for, over what the sandbox file asks for.
func (a *app) wish(flags sandbox.Wish) (sandbox.Wish, error) {
	f, err := a.sandboxFile()
	if err != nil || f == nil {
		return flags, err
	}
	return flags.Over(f.Wish), nil
}

func (a *app) newInitCmd() *cobra.Command {
	var runtime string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a sandbox file with every setting, commented",
		Long: `Write a sandbox file, cordage.yaml in the current directory or the one that --file names. Every setting is in it with its
default and what it does; all but the name and the runtime are commented out. A file that is there is not written over.`,
		Example: "  cordage init\n  cordage init --name dev --runtime container",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			path := a.path
			if path == "" {
				path = file.Name
			}
			if err := sandbox.CheckName(a.name); err != nil {
				return &usageError{err}
			}
			if _, err := (sandbox.Wish{Runtime: runtime}).Apply(sandbox.DefaultSpec(a.name), false); err != nil {
				return &usageError{err}
			}
			if err := file.Write(path, a.name, runtime); err != nil {
				return err
			}
			return a.answer(struct {
				File string `json:"file"`
			}{path}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s is written; cordage config show tells what holds now\n", path)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&runtime, "runtime", sandbox.Auto, "`runtime` that the file asks for: auto, process or container")
	return cmd
}

func newConfigSchemaCmd(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of sandbox files, for editors",
		Example: "  cordage config schema > cordage.schema.json", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := out.Write(file.Schema)
			return err
		},
	}
}

func (a *app) newConfigShowCmd() *cobra.Command {
	var f wishFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show what the next start gives a sandbox, and where each setting comes from",
		Long: `Show every setting that the next "cordage up" gives the sandbox, and where it comes from: a flag, the sandbox file with
its line, what the sandbox keeps from its last start, or the default. Flags of "cordage up" can be tried here.`,
		Example: "  cordage config show\n  cordage config show --file ci.yaml --json\n  cordage config show --replicas rest=3",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags, err := f.wish()
			if err != nil {
				return &usageError{err}
			}
			return a.showSettings(flags, cmd.Flags().Changed("name"))
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (a *app) showSettings(flags sandbox.Wish, named bool) error {
	f, err := a.sandboxFile()
	if err != nil {
		return err
	}
	d, err := a.dir()
	if err != nil {
		return err
	}
	state, err := supervisor.ReadState(d)
	if err != nil {
		return err
	}
	settings, refused := file.Settings(file.Sources{Kept: state.Spec, Stored: state.Data, File: f, Flags: flags, Named: named})
	err = a.answer(settings, func(w io.Writer) error {
		rows := [][]string{{"SETTING", "VALUE", "FROM"}}
		for _, s := range settings {
			rows = append(rows, []string{s.Key, valueText(s), originText(s)})
		}
		return table(w, rows)
	})
	return errors.Join(err, refused)
}

func valueText(s file.Setting) string {
	if s.Value == 0 && s.From != file.FromKept && len(s.Key) > len("ports.") && s.Key[:len("ports.")] == "ports." {
		return "a free one"
	}
	return fmt.Sprint(s.Value)
}

func originText(s file.Setting) string {
	switch {
	case s.Fixed:
		return "the sandbox's data (fixed)"
	case s.From == file.FromKept:
		return "the last start"
	case s.Place != "":
		return s.Place
	}
	return string(s.From)
}
