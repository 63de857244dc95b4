package vnodes

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

// fileForm asks for a file, and lists what there is while its path is typed. A CPI's form stays to show the upload.
type fileForm struct {
	title  string
	kinds  []string // extensions of the files that are listed
	path   screen.Field
	found  []string // paths that begin with what was typed, directories with a slash at the end
	typed  string   // when they were looked for
	err    error    // of the listing
	table  screen.Table
	take   func(v *View, path string) tea.Cmd
	upload *upload // what became of the choice
}

// filesMsg are the files that begin with what was typed.
type filesMsg struct {
	typed string
	found []string
	err   error
}

func (v *View) chooseFile() tea.Cmd {
	if u := v.upload; u != nil && !u.over() {
		v.dialog = &fileForm{title: "upload a CPI", upload: u, path: screen.NewField(u.path)}
		return nil
	}
	form := &fileForm{title: "upload a CPI", kinds: []string{".cpi"}, path: screen.NewField("")}
	form.take = func(v *View, path string) tea.Cmd {
		cmd := v.send(path, "")
		form.upload = v.upload
		return cmd
	}
	v.dialog = form
	return listFiles(form.path.Value(), form.kinds)
}

func (v *View) chooseCertificate() tea.Cmd {
	form := &fileForm{title: "trust a code signer", kinds: []string{".pem", ".crt", ".cer"}, path: screen.NewField("")}
	form.take = func(v *View, path string) tea.Cmd {
		v.dialog = nil
		return v.importCertificate(aliasOf(path), path)
	}
	v.dialog = form
	return listFiles("", form.kinds)
}

// listFiles finds directories, and files of the kinds, whose path begins with what is typed.
func listFiles(typed string, kinds []string) tea.Cmd {
	return func() tea.Msg {
		dir, begin := filepath.Split(typed)
		entries, err := os.ReadDir(expand(dir))
		m := filesMsg{typed: typed}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			m.err = err
		}
		for _, e := range entries {
			name := e.Name()
			if !strings.HasPrefix(name, begin) || strings.HasPrefix(name, ".") && begin == "" {
				continue
			}
			isDir := e.IsDir()
			if info, err := os.Stat(filepath.Join(expand(dir), name)); err == nil {
				isDir = info.IsDir() // of what a link leads to
			}
			switch {
			case isDir:
				m.found = append(m.found, dir+name+"/")
			case slices.Contains(kinds, strings.ToLower(filepath.Ext(name))):
				m.found = append([]string{dir + name}, m.found...)
			}
		}
		slices.SortStableFunc(m.found, func(a, b string) int { // files before directories
			if x, y := strings.HasSuffix(a, "/"), strings.HasSuffix(b, "/"); x != y {
				return map[bool]int{true: 1, false: -1}[x]
			}
			return strings.Compare(a, b)
		})
		return m
	}
}

// expand reads a path as shells do: the empty one is the working directory, ~ is the home directory.
func expand(path string) string {
	if path == "" {
		return "."
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}

func (f *fileForm) update(v *View, msg tea.Msg) tea.Cmd {
	k := v.keys
	switch msg := msg.(type) {
	case filesMsg:
		if msg.typed == f.path.Value() {
			f.found, f.typed, f.err, f.table = msg.found, msg.typed, msg.err, screen.Table{}
		}
		return nil
	case tea.KeyPressMsg:
		switch {
		case f.upload != nil:
			return f.uploadKey(v, msg)
		case key.Matches(msg, k.Submit), key.Matches(msg, k.Complete):
			return f.choose(v, key.Matches(msg, k.Submit))
		case msg.String() == "up", msg.String() == "down", msg.String() == "pgup", msg.String() == "pgdown":
			f.table, _ = f.table.Update(msg, len(f.found), filesPage)
			return nil
		}
	}
	if f.upload != nil {
		return nil
	}
	before := f.path.Value()
	var cmd tea.Cmd
	f.path, cmd = f.path.Update(msg)
	if f.path.Value() != before {
		return tea.Batch(cmd, listFiles(f.path.Value(), f.kinds))
	}
	return cmd
}

// choose takes what is typed if it is a file's whole path, or else what is under the cursor; a directory is gone into.
func (f *fileForm) choose(v *View, submit bool) tea.Cmd {
	path := f.path.Value()
	if f.typed == path && f.table.Cursor < len(f.found) {
		path = f.found[f.table.Cursor]
	}
	if submit && path != "" && !strings.HasSuffix(path, "/") {
		return f.take(v, expand(path))
	}
	f.path = f.path.Set(path)
	return listFiles(path, f.kinds)
}

// uploadKey takes keys while an upload is shown: enter closes what is over, and goes on to a virtual node of it.
func (f *fileForm) uploadKey(v *View, msg tea.KeyPressMsg) tea.Cmd {
	if f.upload.untrusted() && key.Matches(msg, v.keys.Certificate) {
		return v.chooseCertificate()
	}
	if !key.Matches(msg, v.keys.Submit) {
		return nil
	}
	if f.upload.done == "" {
		v.dialog = nil
		return nil
	}
	v.filter = ""
	for i, c := range v.packages() {
		if c.Checksum == f.upload.done { // else it is not listed yet: a moment more
			v.onCPIs, v.cpiTable.Cursor = true, i
			return v.create()
		}
	}
	return nil
}

// filesPage is how many files are seen.
const filesPage = 8

func (f *fileForm) render(_ *View, fr screen.Frame) string {
	t := fr.Theme
	w := min(fr.Width-2, 90)
	in := w - 4
	if f.upload != nil {
		lines := []string{""}
		for _, l := range f.upload.lines(fr, in) {
			lines = append(lines, " "+l)
		}
		return screen.Box(t, f.title, append(lines, ""), w, min(len(lines)+3, fr.Height), true)
	}
	lines := []string{
		" " + label(fr, "file", true) + t.Dim.Render("  "+strings.Join(f.kinds, ", ")),
		" " + t.Accent.Render(mark(fr, true)) + f.path.Render(fr, in-2, "a path; ~ is your home directory", true), "",
	}
	switch {
	case f.err != nil:
		lines = append(lines, " "+t.Warn.Render(screen.Cut(t.Signs.Warning+" "+screen.Line(f.err.Error()), in)))
	case len(f.found) == 0:
		lines = append(lines, " "+t.Dim.Render("nothing of that name here"))
	}
	table := f.table.Render(fr, []screen.Column{{Title: "", Stretch: true}}, len(f.found), func(i int) screen.Row {
		style := t.Text
		if strings.HasSuffix(f.found[i], "/") {
			style = t.Dim
		}
		return screen.Row{{Text: screen.Line(f.found[i]), Style: style}}
	}, in, filesPage+1, true)
	for _, l := range strings.Split(table, "\n")[1:] {
		lines = append(lines, " "+l)
	}
	lines = append(lines, "", " "+hints(fr, [2]string{"enter", "take it"}, [2]string{"tab", "complete"}, [2]string{"esc", "close"}, true))
	return screen.Box(t, f.title, lines, w, min(len(lines)+2, fr.Height), true)
}

// lines show how far an upload is.
func (u *upload) lines(fr screen.Frame, w int) []string {
	t := fr.Theme
	share := 0.0
	if u.size > 0 {
		share = float64(u.sent) / float64(u.size)
	}
	if u.id != "" {
		share = 1
	}
	style := t.Busy
	if u.done != "" {
		style = t.Good
	}
	lines := []string{
		t.Strong.Render(screen.Cut(screen.Line(u.name), w)), "",
		screen.Bar(t, share, min(w-28, 50), style) + t.Dim.Render("  "+screen.Bytes(u.sent)+" of "+screen.Bytes(max(u.size, u.sent))), "",
	}
	switch {
	case u.err != nil:
		for i, l := range screen.Wrap(strings.Join(screen.Lines(u.err.Error()), "\n"), w-2) {
			sign := "  "
			if i == 0 {
				sign = t.Signs.Failed + " "
			}
			lines = append(lines, t.Bad.Render(sign+l))
		}
		way := t.Key.Render("enter") + t.Dim.Render(" close")
		if u.untrusted() {
			way = t.Key.Render("i") + t.Dim.Render(" trust its signer: choose the certificate   ") + way
		}
		lines = append(lines, "", way)
	case u.done != "":
		lines = append(lines, t.Good.Render(t.Signs.Check+" stored, checksum "+u.done), "",
			t.Key.Render("enter")+t.Dim.Render(" make a virtual node of it   ")+t.Key.Render("esc")+t.Dim.Render(" close"))
	case u.id != "":
		lines = append(lines, t.Busy.Render(screen.Spinner(fr)+" the cluster verifies it: "+screen.Line(u.status)))
	default:
		lines = append(lines, t.Busy.Render(screen.Spinner(fr)+" sending"), "", t.Dim.Render("esc closes this; the upload goes on"))
	}
	return lines
}
