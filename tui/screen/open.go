package screen

import "time"

// What views can be asked to show, in an OpenMsg: Go("logs", OpenLogs{…}).
type (
	// OpenLogs is for view logs.
	OpenLogs struct {
		Nodes []string  // empty: all
		Match string    // regular expression
		At    time.Time // the line nearest to it is shown; zero: the end, following
	}

	// OpenTopic is for view messages: what passes on a topic.
	OpenTopic struct{ Topic string }

	// OpenTrace is for view messages: the waterfall of a request.
	OpenTrace struct{ ID string }

	// OpenDatabase is for view data: a logical database by its name.
	OpenDatabase struct{ Name string }
)
