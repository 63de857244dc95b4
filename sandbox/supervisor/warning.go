package supervisor

import (
	"fmt"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Codes of what a user is told. They are stable: scripts may look for them.
const (
	codeAdopted      = "nodes-adopted"
	codeForeign      = "node-replaced"
	codePortMoved    = "port-moved"
	codeDied         = "node-died"
	codeCrashLoop    = "node-crash-loop"
	codeNotStopped   = "node-killed-at-stop"
	codeNotReady     = "node-not-ready"
	codeReloadFailed = "routes-not-told"
	codeClock        = "clock-not-restored"
)

// warning is one thing a user can be told: how grave it is, in which words, and the way out. Both texts are formats; the
// remedy's only argument is the node.
type warning struct {
	severity sandbox.Severity
	text     string
	remedy   string
}

// warnings is the table of everything that a supervisor can warn of.
func warnings() map[string]warning {
	return map[string]warning{
		codeAdopted:      {sandbox.Notice, "%v nodes ran already, left by a supervisor that was killed; they are adopted", ""},
		codeForeign:      {sandbox.Warning, "the running node was started with other parameters and is replaced", ""},
		codePortMoved:    {sandbox.Warning, "its port is taken, it gets another: %v", ""},
		codeDied:         {sandbox.Warning, "died unasked: %v", "cordage logs %s"},
		codeCrashLoop:    {sandbox.Fault, "died again and again, and is given up: %v", "look at cordage logs %[1]s, then: cordage restart %[1]s"},
		codeNotStopped:   {sandbox.Warning, "did not stop in time and was killed: %v", "cordage logs %s"},
		codeNotReady:     {sandbox.Warning, "did not become ready and is started again: %v", "cordage logs %s"},
		codeReloadFailed: {sandbox.Warning, "could not be told the rest workers, and is started again: %v", ""},
		codeClock:        {sandbox.Warning, "the sandbox's clock could not be published: %v", "cordage clock show"},
	}
}

func notification(code, node string, args ...any) sandbox.Notification {
	w := warnings()[code]
	n := sandbox.Notification{Code: code, Severity: w.severity, Node: node, Text: w.text, Remedy: w.remedy}
	if len(args) > 0 {
		n.Text = fmt.Sprintf(w.text, args...)
	}
	if w.remedy != "" && node != "" {
		n.Remedy = fmt.Sprintf(w.remedy, node)
	}
	return n
}
