package main

import (
	"fmt"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cordage-sandbox/cordage/fixtures/script"
)

// TestMain makes the test binary be cordage as well: for the scripts, for the supervisor that they start, and for the
// workers that it starts. So scripts run real processes of exactly this code.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cordage": main})
}

// TestScripts runs the scripts of testdata/script. Each has state of its own and shares the cache of artefacts; when it is
// over, no process of its sandboxes may be left.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup:     func(e *testscript.Env) error { return script.SetUp(t, e, "process") },
		Cmds:      script.Commands(),
		Condition: condition,
	})
}

// condition knows hup: a hang-up ends processes, as it does unless they run under nohup.
func condition(name string) (bool, error) {
	if name == "hup" {
		return !signal.Ignored(syscall.SIGHUP), nil
	}
	return false, fmt.Errorf("there is no condition %q", name)
}
