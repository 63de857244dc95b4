package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestSlips: a mistyped word is refused at every depth, and what was likely meant is named.
func TestSlips(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a command":            {[]string{"statsu"}, `unknown command "statsu" for "cordage"; did you mean status?`},
		"a command below":      {[]string{"scenario", "rnu", "all"}, `unknown command "rnu" for "cordage scenario"; did you mean run?`},
		"nothing like it":      {[]string{"vnode", "frobnicate"}, `unknown command "frobnicate" for "cordage vnode"` + "\nhint: cordage help vnode tells"},
		"below one that works": {[]string{"clock", "frezee"}, `unknown command "frezee" for "cordage clock"; did you mean freeze?`},
		"a flag":               {[]string{"up", "--offlin"}, "unknown flag: --offlin; did you mean --offline?\nhint: cordage help up tells how it is used"},
		"a flag of all":        {[]string{"vnode", "list", "--jsno"}, "did you mean --json?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errOut bytes.Buffer
			if code := execute(t.Context(), tc.args, &bytes.Buffer{}, &out, &errOut); code != exitUsage || out.Len() > 0 {
				t.Errorf("cordage %s ends with %d and prints %q", strings.Join(tc.args, " "), code, &out)
			}
			if !strings.Contains(errOut.String(), tc.want) {
				t.Errorf("cordage %s tells %q, want %q", strings.Join(tc.args, " "), &errOut, tc.want)
			}
		})
	}
}
