package tui

import (
	"context"
	"iter"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// Source is the supervisor of one sandbox, as the root and all views together need it; *client.Client is one. Each view
// declares its own part beside its code, and is embedded here.
type Source interface {
	Events(ctx context.Context) iter.Seq2[sandbox.Event, error]
	Stop(ctx context.Context, purge bool) error
}

// Views makes the views, in the order of their tabs.
func Views(Source) []screen.View {
	return []screen.View{}
}
