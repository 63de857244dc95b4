package messages

import "github.com/charmbracelet/x/ansi"

// hardWrap breaks a text into lines of w cells wherever they end: ids have no blanks.
func hardWrap(s string, w int) string { return ansi.Hardwrap(s, max(1, w), true) }
