package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/scenarios/builtin"
	"github.com/cordage-sandbox/cordage/scenarios/lang"
)

func (a *app) newScenarioCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "scenario",
		Short:   "Run scenarios: files of steps and of what must come of them",
		Example: "  cordage scenario list\n  cordage scenario run vnode-creation",
	}
	cmd.AddCommand(a.newScenarioListCmd(), a.newScenarioShowCmd(), a.newScenarioSchemaCmd(), a.newScenarioRunCmd())
	return cmd
}

func (a *app) newScenarioListCmd() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the scenarios that ship", Example: "  cordage scenario list --json", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			type row struct {
				Name        string `json:"name"`
				Description string `json:"description"`
			}
			var rows []row
			for _, name := range builtin.Names() {
				s, err := readBuiltin(name)
				if err != nil {
					return err
				}
				rows = append(rows, row{s.Name, s.Description})
			}
			return a.answer(rows, func(w io.Writer) error {
				for i, r := range rows {
					if i > 0 {
						fmt.Fprintln(w)
					}
					fmt.Fprintf(w, "%s\n%s\n", r.Name, wrap(r.Description, "  ", 100))
				}
				return nil
			})
		},
	}
}

// wrap breaks text into lines of at most width characters, each after a margin.
func wrap(text, margin string, width int) string {
	var lines []string
	line := margin
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width && line != margin {
			lines = append(lines, line)
			line = margin
		}
		if line != margin {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}

func (a *app) newScenarioShowCmd() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Print a scenario that ships, to start your own from",
		Example: "  cordage scenario show vnode-creation > mine.yaml", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, text, err := builtin.Read(args[0])
			if err != nil {
				return unknownScenario(args[0])
			}
			_, err = a.out.Write(text)
			return err
		},
	}
}

func (a *app) newScenarioSchemaCmd() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of scenario files, for editors",
		Example: "  cordage scenario schema > scenario.schema.json", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(lang.Schema)
			return err
		},
	}
}

// scenarioFlags are what "cordage scenario run" is told.
type scenarioFlags struct {
	junit string
	keep  bool
}

func (a *app) newScenarioRunCmd() *cobra.Command {
	var f scenarioFlags
	var w wishFlags
	cmd := &cobra.Command{
		Use:   "run all | NAME | FILE | DIRECTORY ...",
		Short: "Run scenarios in the running sandbox, or in one of their own that is removed afterwards",
		Long: `Run scenarios: those that ship by name (all: every one), others by their file or directory. All files are checked before
anything starts. If the sandbox does not run, or lacks the Kafka brokers that a scenario needs, one is started for the
scenarios alone, as the sandbox file and the flags have it, and removed afterwards.`,
		Example: `  cordage scenario run vnode-creation
  cordage scenario run notary-uniqueness --junit report.xml
  cordage scenario run all
  cordage scenario run kafka-broker-loss --runtime container
  cordage scenario run mine.yaml more/ --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			scenarios, err := readScenarios(args)
			if err != nil {
				return err
			}
			if err := checkJUnit(f.junit); err != nil {
				return err
			}
			asked, err := w.wish()
			if err != nil {
				return &usageError{err}
			}
			return a.runScenarios(cmd.Context(), scenarios, asked, f)
		},
	}
	cmd.Flags().StringVar(&f.junit, "junit", "", "write a JUnit report to this `file`")
	w.registerRuntime(cmd.Flags())
	cmd.Flags().BoolVar(&f.keep, "keep", false, "leave a sandbox that was started for the scenarios running if one fails")
	return cmd
}
