// Package docs_test holds what is written here against the tree: links lead somewhere, named places exist.
package docs_test

import (
	"flag"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the list of decisions anew") //nolint:gochecknoglobals // a flag

const (
	root      = ".." // of the repository
	decisions = "decisions"
)

// texts are the files below the root whose names end so, by their paths from there.
func texts(t *testing.T, endings ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "dist") {
			return fs.SkipDir
		}
		if d.IsDir() || !slices.Contains(endings, path.Ext(p)) {
			return nil
		}
		text, err := os.ReadFile(p)
		all[strings.TrimPrefix(filepath.ToSlash(p), root+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("no file below %s ends with %v", root, endings)
	}
	return all
}

func there(p string) bool {
	_, err := os.Stat(path.Join(root, p))
	return err == nil
}

// anchor is the fragment by which a heading can be linked to, as GitHub makes it.
func anchor(heading string) string {
	kept := regexp.MustCompile(`[^\p{L}\p{N}_\- ]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(strings.TrimSpace(kept), " ", "-")
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages := texts(t, ".md")
	headings := regexp.MustCompile(`(?m)^#+ (.+)$`)
	for name, text := range pages {
		for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			file, fragment, _ := strings.Cut(link[1], "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			if !there(target) {
				t.Errorf("%s links to %s, which is not there", name, link[1])
				continue
			}
			if fragment == "" {
				continue
			}
			found := slices.ContainsFunc(headings.FindAllStringSubmatch(pages[target], -1), func(h []string) bool { return anchor(h[1]) == fragment })
			if !found {
				t.Errorf("%s links to %s, and %s has no such heading", name, link[1], target)
			}
		}
	}
}

// What a page names in code, "workers/bus", is there. Places that stand for many, "migrations/FAMILY", are looked for up to there.
func TestNamedPlacesExist(t *testing.T) {
	t.Parallel()
	place := regexp.MustCompile("`((?:bench|cmd|docs|fixtures|sandbox|scenarios|tools|tui|workers|\\.ci)/[\\w./-]+)`")
	for name, text := range texts(t, ".md") {
		for _, m := range place.FindAllStringSubmatch(text, -1) {
			p := regexp.MustCompile(`/[A-Z]{2,}(/.*)?$`).ReplaceAllString(m[1], "")
			if !there(p) {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
	}
}

// What code and settings say of pages leads to them.
func TestPagesThatCodeNamesExist(t *testing.T) {
	t.Parallel()
	page := regexp.MustCompile(`\bdocs/[\w./-]+\.(?:md|yaml|json|svg)\b`)
	for name, text := range texts(t, ".go", ".yml", ".yaml") {
		for _, p := range page.FindAllString(text, -1) {
			if !there(p) {
				t.Errorf("%s names %s, which is not there", name, p)
			}
		}
	}
}

// 0000 lists every decision, by its own heading; no two have one number.
func TestDecisions(t *testing.T) {
	t.Parallel()
	const about, from, to = decisions + "/0000-about.md", "-update -->\n", "<!-- end -->"
	files, err := filepath.Glob(decisions + "/*")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`^(\d{4})(?:-[a-z0-9]+)+\.md$`)
	list, numbers := "", map[string]string{}
	for _, file := range slices.Sorted(slices.Values(files)) {
		name := filepath.Base(file)
		m := named.FindStringSubmatch(name)
		if m == nil {
			t.Errorf("%s is not called NNNN-some-words.md", file)
			continue
		}
		if other, taken := numbers[m[1]]; taken {
			t.Errorf("%s and %s have one number", other, name)
		}
		numbers[m[1]] = name
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		title, ok := strings.CutPrefix(strings.SplitN(string(text), "\n", 2)[0], "# ")
		if !ok {
			t.Errorf("%s does not begin with its heading", file)
		}
		if file != about {
			list += "- [" + m[1] + "](" + name + "): " + strings.TrimPrefix(title, m[1]+": ") + "\n"
		}
	}
	if len(numbers) < 20 {
		t.Fatalf("only %v are found", slices.Collect(maps.Values(numbers)))
	}
	text, err := os.ReadFile(about)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(text), from)
	is, after, ended := strings.Cut(rest, to)
	if !begun || !ended {
		t.Fatalf("%s has no place for the list between %q and %q", about, from, to)
	}
	if is == list {
		return
	}
	if !*update {
		t.Fatalf("%s does not list the decisions as they are: go test ./docs -run TestDecisions -update\ngot:\n%swant:\n%s", about, is, list)
	}
	if err := os.WriteFile(about, []byte(before+from+list+to+after), 0o644); err != nil { //nolint:gosec // it is for all to read
		t.Fatal(err)
	}
}
