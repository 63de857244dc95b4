package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/sandbox/supervisor"
)

// finding is the outcome of one check.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // ok, warning or fault
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

func (a *app) newDoctorCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine and the sandboxes on it, and say what to do about what is wrong",
		Long: `Check this machine (Java, Maven, the cache, disk, memory) and the sandboxes on it (nodes left by a killed supervisor,
nodes that are given up, failed starts). Nothing is changed. The exit code is 8 if there is a fault.`,
		Example: "  cordage doctor\n  cordage doctor --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := a.examine(cmd.Context())
			faults := 0
			for _, f := range findings {
				if f.State == "fault" {
					faults++
				}
			}
			err := a.answer(findings, func(w io.Writer) error { return printFindings(w, findings) })
			if err == nil && faults > 0 {
				return &checksError{fmt.Sprintf("%d checks found a fault", faults)}
			}
			return err
		},
	}
}

func printFindings(w io.Writer, findings []finding) error {
	signs := map[string]string{"ok": "✓", "warning": "!", "fault": "✗"}
	rows := [][]string{}
	for _, f := range findings {
		rows = append(rows, []string{signs[f.State] + " " + f.State, f.Check, f.Detail})
		if f.Remedy != "" {
			rows = append(rows, []string{"", "", "→ " + f.Remedy})
		}
	}
	return table(w, rows)
}

// examine makes all checks.
func (a *app) examine(ctx context.Context) []finding {
	findings := []finding{checkJava(ctx), checkMaven(), checkCache(ctx), checkDisk(), checkMemory()}
	findings = append(findings, checkEngine(ctx)...)
	return append(findings, a.checkSandboxes(ctx)...)
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }

// bad makes a finding from an error.
func bad(check, state string, err error) finding {
	f := finding{Check: check, State: state, Detail: oneLine(err.Error())}
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		f.Remedy = h.Hint()
	}
	return f
}

func checkJava(ctx context.Context) finding {
	java, err := artefact.FindJava(ctx)
	if err != nil {
		return bad("Java", "fault", err)
	}
	return finding{Check: "Java", State: "ok", Detail: fmt.Sprintf("%s, version %s", java.Path, java.Version)}
}

func checkMaven() finding {
	path, err := exec.LookPath("mvn")
	if err != nil {
		return finding{
			Check: "Maven", State: "warning", Detail: "mvn is not on PATH; it is needed only while the cache is not filled",
			Remedy: "install Maven with your system's packages, such as: apt install maven, brew install maven",
		}
	}
	return finding{Check: "Maven", State: "ok", Detail: path}
}

// checkCache reads all that is in the cache and compares it with what was recorded, without the network.
func checkCache(ctx context.Context) finding {
	cache, err := artefact.Open(artefact.Options{Offline: true})
	if err != nil {
		return bad("cache", "fault", err)
	}
	found, missing, err := cache.Check(ctx)
	switch {
	case err != nil:
		return bad("cache", "warning", err)
	case len(found) > 0:
		f := bad("cache", "fault", found[0].Err)
		f.Remedy = "remove " + found[0].Dir + "; the next cordage up fetches " + found[0].Set + " anew"
		return f
	case len(missing) > 0:
		return finding{Check: "cache", State: "ok", Detail: fmt.Sprintf("%s: the next start fetches %s", cache.Dir(), strings.Join(missing, " and "))}
	}
	return finding{Check: "cache", State: "ok", Detail: "PostgreSQL and Kafka are complete in " + cache.Dir()}
}

// checkEngine looks at the container engine, if there is one, and for what sandboxes have there whose directory is gone.
func checkEngine(ctx context.Context) []finding {
	engine, left := leftAtEngine(ctx)
	if engine == nil {
		return []finding{{Check: "container engine", State: "ok", Detail: "none answers; sandboxes run as processes"}}
	}
	defer engine.Close()
	facts := engine.Facts()
	findings := []finding{{
		Check: "container engine", State: "ok",
		Detail: fmt.Sprintf("version %s, API %s, at %s", facts.Version, facts.API, facts.Host),
	}}
	for _, l := range left {
		if !l.Here || (sandbox.Dir{Name: l.Sandbox, Path: l.Dir}).Exists() {
			continue
		}
		f := finding{
			Check: "sandbox " + l.Sandbox, State: "fault",
			Detail: fmt.Sprintf("its directory %s is gone, but %d containers (%d run), %d networks and %d volumes of it are left",
				l.Dir, l.Containers, l.Running, l.Networks, l.Volumes),
			Remedy: "remove them: cordage down --purge --name " + l.Sandbox,
		}
		if d, err := sandbox.Locate(l.Sandbox); err != nil || d.Path != l.Dir { // of other commands than this one's
			f.State = "warning"
			f.Remedy = fmt.Sprintf("remove them: XDG_STATE_HOME=%s cordage down --purge --name %s", filepath.Dir(filepath.Dir(l.Dir)), l.Sandbox)
		}
		findings = append(findings, f)
	}
	return findings
}

// What a sandbox needs at least.
const (
	wantDisk   = 2 << 30
	wantMemory = 1 << 30
)

func checkDisk() finding {
	dir, err := sandbox.Base()
	if err != nil {
		return bad("disk", "fault", err)
	}
	for !exists(dir) && dir != "/" {
		dir = filepath.Dir(dir)
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return bad("disk", "warning", err)
	}
	free := int64(s.Bavail) * int64(s.Bsize) //nolint:gosec,unconvert // differs by system
	f := finding{Check: "disk", State: "ok", Detail: fmt.Sprintf("%s free in %s", size(free), dir)}
	if free < wantDisk {
		f.State, f.Remedy = "warning", "free some space: a sandbox takes about 1 GB, with data more"
	}
	return f
}

func checkMemory() finding {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return finding{Check: "memory", State: "ok", Detail: "not known on this system"}
	}
	for line := range strings.Lines(string(text)) {
		var kilobytes int64
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kilobytes); n == 1 {
			f := finding{Check: "memory", State: "ok", Detail: size(kilobytes<<10) + " available"}
			if kilobytes<<10 < wantMemory {
				f.State, f.Remedy = "warning", "end other programs: a sandbox takes about 700 MB"
			}
			return f
		}
	}
	return finding{Check: "memory", State: "ok", Detail: "not known on this system"}
}

func (a *app) checkSandboxes(ctx context.Context) []finding {
	entries, err := a.sandboxes(ctx)
	if err != nil {
		return []finding{bad("sandboxes", "fault", err)}
	}
	findings := []finding{}
	for _, e := range entries {
		f := finding{Check: "sandbox " + e.Name, State: "ok", Detail: e.State}
		flag := ""
		if e.Name != sandbox.DefaultName {
			flag = " --name " + e.Name
		}
		switch e.State {
		case "orphaned":
			f.State, f.Detail = "fault", "its supervisor was killed and its nodes still run"
			f.Remedy = "adopt them: cordage status" + flag + "; or stop them: cordage down" + flag
		case "failed":
			f.State, f.Detail = "warning", "its last start failed"
			f.Remedy = "see why: cordage status" + flag
			if state, err := supervisor.ReadState(sandbox.Dir{Name: e.Name, Path: e.Dir}); err == nil && state.Failure != nil {
				f.Detail = fmt.Sprintf("its last start failed in %s: %s", state.Failure.Part, oneLine(state.Failure.Cause))
				f.Remedy = cmp.Or(state.Failure.Hint, f.Remedy)
			}
		case "damaged":
			f.State, f.Detail = "fault", "its state file cannot be read"
			f.Remedy = "remove it with all its data: cordage down --purge" + flag
		case string(sandbox.PhaseDegraded):
			f.State, f.Remedy = "warning", "see which node: cordage status"+flag
		}
		findings = append(findings, f)
		findings = append(findings, checkNodes(ctx, sandbox.Dir{Name: e.Name, Path: e.Dir})...)
		if e.State == "stopped" || e.State == "failed" {
			findings = append(findings, checkPorts(sandbox.Dir{Name: e.Name, Path: e.Dir})...)
		}
	}
	return findings
}

// checkNodes tells of the nodes of a running sandbox that are in trouble.
func checkNodes(ctx context.Context, d sandbox.Dir) (findings []finding) {
	c := client.Open(d)
	defer c.Close()
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil // it does not run, or that is told already
	}
	for _, n := range nodes {
		f := finding{Check: "node " + n.Name + " of " + d.Name, State: "warning", Detail: fmt.Sprintf("%s: %s", n.State, oneLine(n.Reason))}
		switch n.State {
		case sandbox.Crashed:
			f.State = "fault"
			f.Remedy = fmt.Sprintf("look at cordage logs %s, mend what is wrong, then: cordage restart %[1]s", n.Name)
		case sandbox.Degraded, sandbox.Backoff:
			f.Remedy = "look at: cordage logs " + n.Name
		default:
			continue
		}
		f.Remedy = sandbox.HintFor(d.Name, f.Remedy)
		findings = append(findings, f)
	}
	return findings
}

// checkPorts looks whether the ports that a stopped sandbox insists on are free. All others give way.
func checkPorts(d sandbox.Dir) (findings []finding) {
	state, err := supervisor.ReadState(d)
	if err != nil {
		return nil // told already
	}
	for _, key := range slices.Sorted(maps.Keys(state.Spec.Ports)) {
		if err := port.Check(state.Spec.Ports[key]); err != nil {
			findings = append(findings, bad("port of "+d.Name+", "+key, "warning", err))
		}
	}
	return findings
}
