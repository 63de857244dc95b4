package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// referenceMark begins the generated part of docs/cli.md.
const referenceMark = "<!-- generated from here: CORDAGE_WRITE_DOCS=1 go test ./cmd/cordage -run TestDocumentationIsComplete -->\n"

// reference is the generated part of docs/cli.md.
func reference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(referenceMark + "\n## Exit codes\n\n| code | means |\n|---|---|\n")
	for _, c := range exitCodes() {
		fmt.Fprintf(&b, "| %d | %s |\n", c.code, c.means)
	}
	b.WriteString("\n## Commands\n\nAll commands take `--name SANDBOX` (`-n`), `--json` and `--help`.\n")
	for _, c := range all(root) {
		if c.Hidden || !c.Runnable() || onlyGroups(c) || c == root || c.Name() == "help" || c.Parent().Name() == "completion" {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s.\n\n", c.CommandPath(), c.Short)
		if c.Long != "" && c.Name() != "completion" {
			fmt.Fprintf(&b, "%s\n\n", strings.TrimSpace(c.Long))
		}
		fmt.Fprintf(&b, "    %s\n", c.UseLine())
		b.WriteString(flags(c))
		if c.Example != "" {
			fmt.Fprintf(&b, "\nExamples:\n\n%s\n", indent(c.Example))
		}
	}
	return b.String()
}

// onlyGroups tells whether there is nothing more to say of a command than what is below it.
func onlyGroups(c *cobra.Command) bool {
	return c.HasSubCommands() && (c.Long == "" || c.Name() == "completion")
}

func flags(c *cobra.Command) string {
	var b strings.Builder
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if kind != "" {
			name += " " + kind
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(name, "|", "\\|"), strings.ReplaceAll(usage, "|", "\\|"))
	})
	if b.Len() == 0 {
		return ""
	}
	return "\n| flag | |\n|---|---|\n" + b.String()
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("    " + strings.TrimSpace(line) + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}
