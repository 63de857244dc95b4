package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// refuseUnknown makes every command that has others below it refuse what is none of them, with those that were likely meant.
// By itself cobra would print the help and succeed, and a script would go on as if something had been done.
func refuseUnknown(c *cobra.Command) {
	for _, below := range c.Commands() {
		refuseUnknown(below)
	}
	c.SetFlagErrorFunc(unknownFlag)
	if !c.HasSubCommands() {
		return
	}
	c.SuggestionsMinimumDistance = likely
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(), didYouMean(c.SuggestionsFor(args[0])))
	}
	if !c.Runnable() {
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
}

// likely is how many letters may be wrong in a word that is taken for a slip.
const likely = 2

// unknownFlag adds to the error of a flag that is not there those that were likely meant.
func unknownFlag(c *cobra.Command, err error) error {
	word, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return err
	}
	var meant []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && (distance(f.Name, word) <= likely || strings.HasPrefix(f.Name, word)) {
			meant = append(meant, "--"+f.Name)
		}
	})
	return fmt.Errorf("%w%s", err, didYouMean(meant))
}

func didYouMean(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(words, " or ") + "?"
}

// helpHint tells where it is said how a command is used.
func helpHint(used *cobra.Command) string {
	if used == nil || !used.HasParent() {
		return "cordage help lists the commands"
	}
	root, below, _ := strings.Cut(used.CommandPath(), " ")
	return fmt.Sprintf("%s help %s tells how it is used", root, below)
}

// distance is how many letters must be put in, taken out or changed to make one word of the other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0] // of the row above, one column to the left
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			change := before
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, above+1, row[j]+1)
			before = above
		}
	}
	return row[len(b)]
}
