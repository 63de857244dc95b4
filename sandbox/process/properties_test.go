package process

import (
	"strings"
	"testing"
)

func TestFormatProperties(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ key, value, want string }{
		"plain":           {"node.id", "1", "node.id=1\n"},
		"backslash":       {"dir", `C:\kafka`, `dir=C:\\kafka` + "\n"},
		"leading space":   {"k", " v w", `k=\ v w` + "\n"},
		"separators":      {"a=b:c", "d=e:f", `a\=b\:c=d=e:f` + "\n"},
		"control":         {"k", "a\nb\tc\rd", `k=a\nb\tc\rd` + "\n"},
		"other languages": {"dir", "/home/größe", `dir=/home/gr\u00f6\u00dfe` + "\n"},
		"beyond 16 bits":  {"k", "🦀", `k=\ud83e\udd80` + "\n"},
	}
	for name, c := range cases {
		if got := string(formatProperties(map[string]string{c.key: c.value})); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestParseProperties(t *testing.T) {
	t.Parallel()
	got := parseProperties([]byte("#\n#Wed Nov 25\nversion=1\n node.id = 3 \nno separator\n!x\ncluster.id=a=b\n"))
	if len(got) != 3 || got["version"] != "1" || got["node.id"] != "3" || got["cluster.id"] != "a=b" {
		t.Errorf("parsed %v", got)
	}
}

func FuzzProperties(f *testing.F) {
	f.Add("node.id", "1")
	f.Add("a", "\\ \n größe")
	f.Fuzz(func(t *testing.T, key, value string) {
		out := string(formatProperties(map[string]string{key: value}))
		if strings.Count(out, "\n") != 1 || !strings.HasSuffix(out, "\n") {
			t.Errorf("%q=%q became more than one line: %q", key, value, out)
		}
		for _, r := range out {
			if r > '~' {
				t.Errorf("%q=%q has a character that is not ASCII: %q", key, value, out)
			}
		}
	})
}
