// Package theme holds the colours, styles and signs of the terminal UI: all of them, so that no other package names a
// colour. It knows nothing of what is shown. Workers and package sandbox must not import it.
package theme

import (
	"image/color"

	"charm.land/lipgloss/v2"
)

// Theme is how things look. Every meaning that has a colour also has a sign or a word, so that a terminal without colours
// shows the same.
type Theme struct {
	Dark  bool
	Signs Signs

	Text   lipgloss.Style // what is read
	Strong lipgloss.Style // headings, names
	Dim    lipgloss.Style // labels and what matters less
	Faint  lipgloss.Style // lines and frames, never words: it has less contrast than text needs
	Accent lipgloss.Style // what can be acted on, and the program itself
	Good   lipgloss.Style
	Warn   lipgloss.Style
	Bad    lipgloss.Style
	Busy   lipgloss.Style // on its way
	Data   lipgloss.Style // topics, databases, ids
	Select lipgloss.Style // the row under the cursor; its sign is Signs.Cursor
	Key    lipgloss.Style // a key in a hint
	Flow   lipgloss.Style // a message in flight
	Match  lipgloss.Style // what a search found

	hues []lipgloss.Style
}

// New makes the theme for a background. On any that terminals have by themselves, words have the contrast that WCAG 2 asks
// for (4.5), and lines theirs (3). Without unicode only ASCII is drawn.
func New(dark, unicode bool) *Theme {
	pick := lipgloss.LightDark(dark)
	hue := func(light, darkHue string) lipgloss.Style {
		return lipgloss.NewStyle().Foreground(pick(lipgloss.Color(light), lipgloss.Color(darkHue)))
	}
	t := &Theme{
		Dark:   dark,
		Signs:  signs(unicode),
		Text:   hue("#2b303b", "#d5d9e2"),
		Strong: hue("#0f1420", "#f4f6fb").Bold(true),
		Dim:    hue("#626a7a", "#949cae"),
		Faint:  hue("#858d9d", "#6c7487"),
		Accent: hue("#1a5fb4", "#7cb7ff"),
		Good:   hue("#17692f", "#73d28c"),
		Warn:   hue("#9a5b00", "#f0b95b"),
		Bad:    hue("#b8252f", "#ff7b7f"),
		Busy:   hue("#7a3aa8", "#c79bf2"),
		Data:   hue("#0b7285", "#7fd6d9"),
		Key:    hue("#0f1420", "#f4f6fb").Bold(true),
		Flow:   hue("#9a5b00", "#ffd479").Bold(true),
		Match:  hue("#0f1420", "#1a1d24").Background(pick(lipgloss.Color("#ffd77a"), lipgloss.Color("#f0b95b"))),
	}
	t.Select = lipgloss.NewStyle().
		Foreground(pick(lipgloss.Color("#0f1420"), lipgloss.Color("#f4f6fb"))).
		Background(pick(lipgloss.Color("#d7e3f7"), lipgloss.Color("#383e4c"))).Bold(true)
	for _, h := range [][2]string{
		{"#1a5fb4", "#7cb7ff"}, {"#0b7285", "#7fd6d9"}, {"#17692f", "#73d28c"}, {"#9a5b00", "#f0b95b"},
		{"#7a3aa8", "#c79bf2"}, {"#9c2c62", "#f29bc1"}, {"#5b6b00", "#c3d36b"}, {"#8a3d14", "#ffa477"},
	} {
		t.hues = append(t.hues, hue(h[0], h[1]))
	}
	return t
}

// Hue tells many things of one kind apart (nodes in merged logs): the same name has always the same style.
func (t *Theme) Hue(name string) lipgloss.Style {
	var sum uint32 = 2166136261 // FNV-1a
	for i := range len(name) {
		sum = (sum ^ uint32(name[i])) * 16777619
	}
	return t.hues[sum%uint32(len(t.hues))] //nolint:gosec // a handful
}

// Background is what the terminal's own background is taken to be, for pictures of the screen.
func (t *Theme) Background() color.Color {
	return lipgloss.LightDark(t.Dark)(lipgloss.Color("#fafbfc"), lipgloss.Color("#14171d"))
}
