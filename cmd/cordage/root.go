package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// app is what all commands share: where they read and write, and the flags that all of them have.
type app struct {
	in      io.Reader
	out     io.Writer // answers
	err     io.Writer // all else
	name    string    // of the sandbox
	named   bool      // the name is settled: by a flag, or by the sandbox file
	path    string    // of the sandbox file; "": the one of the current directory, if there is one
	json    bool
	started bool // a command has begun its work: what fails from now on is no wrong usage
}

func (a *app) newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "cordage",
		Short: "A whole Corda-5-style cluster on this machine: launched, watched and scripted",
		Long: `Cordage runs a Corda-5-style cluster on one machine: PostgreSQL 14, Apache Kafka 3.2 and the cluster's own
worker processes. "cordage up" brings a sandbox up, "cordage down" takes it down. In a terminal, "cordage" alone opens the
terminal UI.

Answers go to standard output, everything else to standard error. Exit codes: cordage help exit-codes.`,
		Example:       "  cordage up\n  cordage status\n  cordage down",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			a.started, a.named = true, cmd.Flags().Changed("name")
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !a.interactive() {
				return cmd.Help()
			}
			_, err := a.tui(cmd.Context(), tuiFlags{}, nil)
			return err
		},
		Args: cobra.NoArgs,
	}
	root.PersistentFlags().StringVarP(&a.name, "name", "n", sandbox.DefaultName, "`sandbox` to use; otherwise the one that the sandbox file names")
	root.PersistentFlags().StringVar(&a.path, "file", "", "sandbox `file` (default: cordage.yaml of the current directory, if there is one)")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "write the answer as JSON")
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	root.AddGroup(
		&cobra.Group{ID: groupSandbox, Title: "Sandbox:"},
		&cobra.Group{ID: groupCluster, Title: "Cluster:"},
		&cobra.Group{ID: groupLook, Title: "Look inside:"},
		&cobra.Group{ID: groupOther, Title: "Other:"},
	)
	for group, commands := range a.commands() {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	root.AddCommand(newExitCodesTopic(), newWorkerCmd(), a.newSuperviseCmd(), newReceiveCmd(), newHealthCmd())
	addCompletionExamples(root)
	a.addCompletions(root)
	refuseUnknown(root)
	return root
}

// addCompletionExamples makes the command of completion scripts, which otherwise comes later, and gives it examples.
func addCompletionExamples(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil { // it has just been made
		panic(err)
	}
	completion.Example = "  cordage completion bash > ~/.local/share/bash-completion/completions/cordage"
	for _, shell := range completion.Commands() {
		shell.Example = map[string]string{
			"bash":       completion.Example,
			"zsh":        "  cordage completion zsh > \"${fpath[1]}/_cordage\"",
			"fish":       "  cordage completion fish > ~/.config/fish/completions/cordage.fish",
			"powershell": "  cordage completion powershell | Out-String | Invoke-Expression",
		}[shell.Name()]
	}
}

// Groups of commands in the help.
const (
	groupSandbox = "sandbox"
	groupCluster = "cluster"
	groupLook    = "look"
	groupOther   = "other"
)

// commands is the list of all commands that users see, by group.
func (a *app) commands() map[string][]*cobra.Command {
	return map[string][]*cobra.Command{
		groupSandbox: {
			a.newUpCmd(), a.newInitCmd(), a.newTUICmd(), a.newDownCmd(), a.newStatusCmd(), a.newListCmd(), a.newRestartCmd(), a.newKillCmd(), a.newPauseCmd(),
			a.newUnpauseCmd(), a.newScaleCmd(), a.newClockCmd(),
		},
		groupCluster: {
			a.newCertificateCmd(), a.newCPICmd(), a.newVNodeCmd(), a.newNotaryCmd(), a.newScenarioCmd(), a.newConfigCmd(), a.newCredentialsCmd(),
		},
		groupLook: {
			a.newTopologyCmd(), a.newTopicsCmd(), a.newTraceCmd(), a.newLogsCmd(), a.newPSQLCmd(),
		},
		groupOther: {a.newPackageCmd(), a.newImagesCmd(), a.newDoctorCmd(), a.newVersionCmd()},
	}
}
