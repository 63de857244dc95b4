package supervisor

import (
	"errors"
	"strings"
)

// hintFor is the way out of a failed start: what the error itself hints at, or the likely cause by the words of the
// error and the part's last log lines.
func hintFor(part string, err error, log []string) string {
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		if hint := h.Hint(); hint != "" {
			return hint
		}
	}
	text := strings.ToLower(err.Error() + "\n" + strings.Join(log, "\n"))
	for _, c := range likelyCauses() {
		for _, words := range c.words {
			if strings.Contains(text, words) {
				return c.hint
			}
		}
	}
	return "look at: cordage logs " + logOf(part) + ", and check this machine with: cordage doctor"
}

// logOf is the node whose log tells of a part's failure: the node itself, or the server that a task works with.
func logOf(part string) string {
	switch part {
	case taskDatabases:
		return nodePostgres
	case taskTopics:
		return nodeKafka
	case taskPrepare:
		return "supervisor"
	case taskFront:
		return "lb-1"
	}
	return part
}

// likelyCause ties words of errors and logs to a way out.
type likelyCause struct {
	words []string // any of them, lower case
	hint  string
}

func likelyCauses() []likelyCause {
	return []likelyCause{
		{
			[]string{"no space left on device", "disk quota exceeded"},
			"the disk is full: free some space (see cordage doctor), then: cordage up",
		},
		{
			[]string{"address already in use", "failed to bind", "could not bind"},
			"another process took the port meanwhile; run cordage up again, or choose a port with --port",
		},
		{
			[]string{"more memory than its limit"},
			"give it more, or no limit: limits in the sandbox file, see cordage config show",
		},
		{
			[]string{"cannot allocate memory", "insufficient memory", "outofmemoryerror", "out of memory"},
			"there is too little memory: end other programs, or run fewer workers with --replicas",
		},
		{
			[]string{"too many open files"},
			"the limit of open files is too low: raise it with ulimit -n 4096, then: cordage up",
		},
		{
			[]string{"permission denied", "operation not permitted"},
			"a file belongs to another account: run Cordage as the account that made the sandbox, or use another with --name",
		},
		{
			[]string{"not within"},
			"the machine may be overloaded: look at cordage doctor, and try cordage up again",
		},
	}
}
