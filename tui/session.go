package tui

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cordage-sandbox/cordage/tui/launch"
)

// Session is what is remembered from one session to the next.
type Session struct {
	View string `json:"view,omitempty"` // that was shown last
}

// Remember reads the last session; without one, or with one that cannot be read, it is empty.
func Remember(file string) (s Session) {
	text, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(text, &s) != nil {
		return Session{}
	}
	return s
}

// Session is what is to be remembered of this one.
func (m *Model) Session() Session {
	if v := m.Current(); v != launch.Name {
		return Session{View: v}
	}
	return Session{}
}

// Keep writes the session.
func (s Session) Keep(file string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("remember the session: %w", err)
	}
	next := file + ".new"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("remember the session: %w", err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("remember the session: %w", err)
	}
	return nil
}
