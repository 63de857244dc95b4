package rest

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// sectionREST is the section of the configuration that this worker follows.
const sectionREST = "corda.rest"

// restSettings are what the section corda.rest says, with Corda 5.0's defaults.
type restSettings struct {
	maxContentLength int64         // bytes of a request
	timeout          time.Duration // of a call to another worker
	title            string        // of the served contract; empty: as it stands there
	description      string
	allowedOrigins   []string // web origins beside this machine's
}

func defaultSettings() restSettings {
	return restSettings{maxContentLength: 200_000_000, timeout: 12 * time.Second}
}

// liveSettings are the settings of this moment.
type liveSettings struct{ current atomic.Pointer[restSettings] }

func newLiveSettings() *liveSettings {
	l := &liveSettings{}
	l.current.Store(new(defaultSettings()))
	return l
}

func (l *liveSettings) get() restSettings { return *l.current.Load() }

// follow takes over each change of the section, without a restart. It must be called before the topic is read. What cannot
// be read leaves the settings as they were: the section has been checked against its schema before it came here.
func (l *liveSettings) follow(sections *bus.Compacted[record.Configuration]) {
	sections.OnChange(func(_ context.Context, key string, _, now *record.Configuration) {
		switch {
		case key != sectionREST:
		case now == nil:
			l.current.Store(new(defaultSettings()))
		default:
			if s, err := readSettings(now.Value); err == nil {
				l.current.Store(&s)
			}
		}
	})
}

func readSettings(value json.RawMessage) (restSettings, error) {
	s := defaultSettings()
	var section struct {
		MaxContentLength *int64 `json:"maxContentLength"`
		Endpoint         struct {
			TimeoutMs *int64 `json:"timeoutMs"`
		} `json:"endpoint"`
		Context struct {
			Title       string `json:"title"`
			Description string `json:"description"`
		} `json:"context"`
		CORS struct {
			AllowedOrigins []string `json:"allowedOrigins"` // Cordage's own; the schema of the section lets it pass
		} `json:"cors"`
	}
	if err := json.Unmarshal(value, &section); err != nil {
		return s, err
	}
	if n := section.MaxContentLength; n != nil && *n > 0 {
		s.maxContentLength = *n
	}
	if ms := section.Endpoint.TimeoutMs; ms != nil && *ms > 0 {
		s.timeout = time.Duration(*ms) * time.Millisecond
	}
	s.title, s.description = section.Context.Title, section.Context.Description
	s.allowedOrigins = section.CORS.AllowedOrigins
	return s, nil
}
