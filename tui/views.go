package tui

import (
	"context"
	"iter"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/data"
	"github.com/cordage-sandbox/cordage/tui/launch"
	"github.com/cordage-sandbox/cordage/tui/logs"
	"github.com/cordage-sandbox/cordage/tui/messages"
	"github.com/cordage-sandbox/cordage/tui/scenarios"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/topology"
	"github.com/cordage-sandbox/cordage/tui/vnodes"
)

// Control is what the root itself needs of a supervisor.
type Control interface {
	Events(ctx context.Context) iter.Seq2[sandbox.Event, error]
	Stop(ctx context.Context, purge bool) error
}

// Source is the supervisor of one sandbox, as the root and all views together need it; *client.Client is one. Each view
// declares its own part beside its code, and is embedded here.
type Source interface {
	Control
	topology.Source
	logs.Source
	vnodes.Source
	scenarios.Source
	messages.Source
	data.Source
}

// Views makes the views of a sandbox, in the order of their tabs.
func Views(s Source, host launch.Host, d sandbox.Dir) []screen.View {
	return []screen.View{
		topology.New(s),
		vnodes.New(s),
		scenarios.New(s, d.Scenarios()),
		messages.New(s),
		data.New(s),
		logs.New(s),
		launch.New(host, d.Name),
	}
}
