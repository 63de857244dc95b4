package theme

import (
	"image/color"
	"math"
	"reflect"
	"strconv"
	"testing"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// luminance is the relative luminance of WCAG 2, 0 to 1.
func luminance(c color.Color) float64 {
	linear := func(v uint32) float64 {
		s := float64(v) / math.MaxUint16
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	r, g, b, _ := c.RGBA()
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

// contrast of two colours as WCAG 2 defines it, 1 to 21.
func contrast(a, b color.Color) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Contrast that WCAG 2 asks for: of text, and of lines and other graphics.
const (
	ofText  = 4.5
	ofLines = 3
)

// TestContrast: everything can be read on the backgrounds that terminals have, also where these show 256 colours only.
func TestContrast(t *testing.T) {
	t.Parallel()
	for _, ground := range []struct {
		dark bool
		hex  string
	}{{false, "#ffffff"}, {false, "#fafbfc"}, {false, "#fdf6e3"}, {true, "#000000"}, {true, "#14171d"}, {true, "#1e1e1e"}, {true, "#282a36"}} {
		th := New(ground.dark, true)
		styles := map[string]lipgloss.Style{}
		for v, i := reflect.ValueOf(*th), 0; i < v.NumField(); i++ {
			if !v.Type().Field(i).IsExported() {
				continue
			}
			if s, ok := reflect.TypeAssert[lipgloss.Style](v.Field(i)); ok {
				styles[v.Type().Field(i).Name] = s
			}
		}
		for i, s := range th.hues {
			styles["hue "+strconv.Itoa(i)] = s
		}
		if len(styles) < 20 {
			t.Fatalf("only %d styles are looked at", len(styles))
		}
		for name, s := range styles {
			want, back := ofText, lipgloss.Color(ground.hex)
			if name == "Faint" {
				want = ofLines
			}
			if _, none := s.GetBackground().(lipgloss.NoColor); !none {
				back = s.GetBackground()
			}
			if got := contrast(s.GetForeground(), back); got < want {
				t.Errorf("%s on %s has a contrast of %.2f, want %.1f", name, ground.hex, got, want)
			}
			if got := contrast(ansi.Convert256(s.GetForeground()), back); got < want {
				t.Errorf("%s on %s has a contrast of %.2f with 256 colours, want %.1f", name, ground.hex, got, want)
			}
		}
	}
}
