package theme

import "charm.land/lipgloss/v2"

// Signs are what is drawn that is no text.
type Signs struct {
	Unicode bool
	Border  lipgloss.Border

	Ready, Starting, Waiting, Warning, Failed, Again, Paused, Stopped string // states, one cell each

	Cursor, Mark, Dot, More, Fold, Unfold, Up, Down, Right, Left, Check, Bell string

	// Lines of graphs and trees, one cell each.
	H, V, Tee, Elbow, Cross, DashH, DashV string
	Packet                                string // a message in flight

	Spin   []string // frames of work without a measure
	Bars   []string // eighths of a cell's height, lowest first, for sparklines
	Full   string   // of a bar
	Parts  []string // eighths of a cell's width
	Empty  string   // of a bar
	Scroll string   // the thumb of a scroll bar
}

func signs(unicode bool) Signs {
	if !unicode {
		return Signs{
			Border: lipgloss.ASCIIBorder(),
			Ready:  "*", Starting: "~", Waiting: ".", Warning: "!", Failed: "x", Again: "r", Paused: "=", Stopped: "-",
			Cursor: ">", Mark: "+", Dot: "-", More: "~", Fold: "+", Unfold: "-", Up: "^", Down: "v", Right: ">", Left: "<", Check: "+", Bell: "!",
			H: "-", V: "|", Tee: "+", Elbow: "`", Cross: "+", DashH: ".", DashV: ":", Packet: "o",
			Spin: []string{"|", "/", "-", "\\"},
			Bars: []string{"_", "_", ".", ".", "-", "=", "*", "#"},
			Full: "#", Parts: []string{"-", "=", "#"}, Empty: ".", Scroll: "#",
		}
	}
	return Signs{
		Unicode: true,
		Border:  lipgloss.RoundedBorder(),
		Ready:   "●", Starting: "◐", Waiting: "○", Warning: "▲", Failed: "✗", Again: "↻", Paused: "‖", Stopped: "■",
		Cursor: "▸", Mark: "◆", Dot: "·", More: "…", Fold: "▸", Unfold: "▾", Up: "↑", Down: "↓", Right: "→", Left: "←", Check: "✓", Bell: "⚑",
		H: "─", V: "│", Tee: "├", Elbow: "╰", Cross: "┼", DashH: "╌", DashV: "╎", Packet: "◆",
		Spin: []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"},
		Bars: []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
		Full: "█", Parts: []string{"▏", "▎", "▍", "▌", "▋", "▊", "▉"}, Empty: "░", Scroll: "┃",
	}
}
