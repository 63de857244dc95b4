package workers

import "testing"

func TestReadOnly(t *testing.T) {
	t.Parallel()
	const file = "/bin/cordage"
	for name, tc := range map[string]struct {
		line string
		want bool
	}{
		"code":         {"00400000-0153e000 r-xp 00000000 fe:00 983048                             /bin/cordage\n", true},
		"constants":    {"0153e000-02a03000 r--p 0113e000 fe:00 983048    /bin/cordage\n", true},
		"data":         {"02a03000-02acb000 rw-p 02603000 fe:00 983048    /bin/cordage\n", false},
		"shared":       {"02a03000-02acb000 r--s 02603000 fe:00 983048    /bin/cordage\n", false},
		"another file": {"00400000-0153e000 r-xp 00000000 fe:00 983048    /lib/libc.so\n", false},
		"no file":      {"7ffd0000-7ffd1000 r-xp 00000000 00:00 0 [vdso]\n", false},
		"anonymous":    {"c000000000-c000400000 rw-p 00000000 00:00 0\n", false},
		"backwards":    {"0153e000-00400000 r-xp 00000000 fe:00 983048    /bin/cordage\n", false},
		"no numbers":   {"x-y r-xp 00000000 fe:00 983048    /bin/cordage\n", false},
		"empty":        {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if from, to, ok := readOnly(tc.line, file); ok != tc.want || ok && to <= from {
				t.Errorf("readOnly(%q) = %x, %x, %v, want %v", tc.line, from, to, ok, tc.want)
			}
		})
	}
	releaseProgram() // and the test goes on
}
