package process

import (
	"context"
	"slices"
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Find lists the sandbox's nodes that run now. It looks at every process of the machine, not at what this or an earlier
// supervisor has noted: about 2 ms for 200 processes.
func (r *Runtime) Find(context.Context) ([]sandbox.Instance, error) {
	var found []sandbox.Instance
	for _, i := range r.scan("") {
		found = append(found, i)
	}
	slices.SortFunc(found, func(a, b sandbox.Instance) int { return strings.Compare(a.Node(), b.Node()) })
	return found, nil
}

// find returns the running instance of one node, or nil.
func (r *Runtime) find(name string) *instance {
	for _, i := range r.scan(name) {
		return i
	}
	return nil
}

// scan finds the running nodes of the sandbox, or the one of that name, and adopts those not known yet.
func (r *Runtime) scan(name string) []*instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !canSeeProcesses {
		return r.remembered(name)
	}
	marked := map[int]map[string]string{}
	for _, pid := range processes() {
		env := environment(pid)
		if env[sandboxMark] == r.o.Dir && checkName(env[nodeMark]) == nil && (name == "" || env[nodeMark] == name) {
			marked[pid] = env
		}
	}
	var all []*instance
	for pid, env := range marked {
		s, err := statOf(pid)
		if err != nil || s.state == 'Z' {
			continue
		}
		if _, child := marked[s.parent]; child { // PostgreSQL's backends inherit the marks
			continue
		}
		if strings.HasPrefix(titleOf(pid), "postgres: ") {
			continue // a backend whose server was killed: it ends, or the next start ends it
		}
		if i := r.adopt(pid, s.birth, env); i != nil {
			all = append(all, i)
		}
	}
	return all
}

func (r *Runtime) remembered(name string) (all []*instance) {
	for _, i := range r.known {
		if !i.over() && (name == "" || i.Node() == name) {
			all = append(all, i)
		}
	}
	return all
}

// adopt returns the instance of a process: the known one, or a new one that is watched from now on.
func (r *Runtime) adopt(pid int, birth uint64, env map[string]string) *instance {
	name := env[nodeMark]
	if i := r.known[name]; i != nil && i.pid == pid && i.birth == birth {
		if i.over() {
			return nil
		}
		return i
	}
	kind := sandbox.Kind(env[kindMark])
	c := Command{Node: name, Path: executableOf(pid), Log: r.logFile(name), StopSignal: stopSignalOf(kind)}
	if kind == sandbox.PostgreSQL {
		c.Family = r.dataDir(name)
	}
	child := &Child{command: c, pid: pid, birth: birth, started: startedAt(birth), adopted: true, done: make(chan struct{})}
	i := &instance{Child: child, hash: env[specMark]}
	r.known[name] = i
	go func() {
		awaitEnd(pid, birth)
		child.ended(sandbox.Exit{Code: -1}) // only its parent is told how it ended
	}()
	go r.tendLog(i)
	return i
}
