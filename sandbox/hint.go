package sandbox

import (
	"regexp"
	"strings"
)

// shownCommand finds a command that works on a sandbox in a text for people: its name, and what follows up to the next mark
// that ends a clause.
var shownCommand = regexp.MustCompile( //nolint:gochecknoglobals // a constant
	`\bcordage ((?:up|down|status|restart|kill|pause|unpause|scale|clock|credentials|topology|topics|trace|logs|psql|tui)\b` +
		`|(?:certificate|cpi|vnode|notary|config) [a-z]+|scenario run)([^;,:()\n]*)`)

// HintFor makes the commands in a hint mean the sandbox of that name: what an error hints at is written without knowing
// it, and "cordage down --purge" pasted as it is would remove another one. Commands that name a sandbox stay as they are.
func HintFor(name, hint string) string {
	if name == DefaultName || name == "" {
		return hint
	}
	return shownCommand.ReplaceAllStringFunc(hint, func(shown string) string {
		if strings.Contains(shown, "--name ") {
			return shown
		}
		m := shownCommand.FindStringSubmatch(shown)
		return "cordage " + m[1] + nameFlag(name) + m[2]
	})
}
