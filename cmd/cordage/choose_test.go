package main

import (
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/sandbox"
)

func TestChooseRuntime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		found found
		want  string
		why   string // part of the reason
	}{
		"no engine":                     {found{}, sandbox.Processes, "no container engine answers"},
		"all is there":                  {found{engine: "28"}, sandbox.Containers, "container engine 28 answers, and the images are there"},
		"all is there, and no Java":     {found{engine: "28", noJava: true}, sandbox.Containers, "the images are there"},
		"an image is missing":           {found{engine: "28", missing: "kafka:1"}, sandbox.Processes, "image kafka:1 is not there yet (cordage images pull"},
		"and Java too":                  {found{engine: "28", missing: "kafka:1", noJava: true}, sandbox.Containers, "no Java for processes"},
		"and nothing may be fetched":    {found{engine: "28", missing: "kafka:1", noJava: true, offline: true}, sandbox.Processes, "not there yet"},
		"a program with a C library":    {found{engine: "28", unfit: "it is linked"}, sandbox.Processes, "cannot be the workers' image: it is linked"},
		"an engine that tells nothing":  {found{engine: "28", silent: true}, sandbox.Processes, "does not tell of its images"},
		"no engine, and no Java either": {found{noJava: true}, sandbox.Processes, "no container engine answers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, why := tc.found.choose(); got != tc.want || !strings.Contains(why, tc.why) {
				t.Errorf("choose() = %s, %q; want %s, %q", got, why, tc.want, tc.why)
			}
		})
	}
}
