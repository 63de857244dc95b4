package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// maxEvent bounds one event, in bytes.
const maxEvent = 8 << 20

// Events gives the sandbox's events as they happen: the full state first, then changes, until ctx ends, the supervisor
// ends (the sequence ends) or the connection breaks (the last element is the error). An event that is not the successor of
// the one before tells that the subscriber was too slow; it should subscribe anew.
func (c *Client) Events(ctx context.Context) iter.Seq2[sandbox.Event, error] {
	return func(yield func(sandbox.Event, error) bool) {
		resp, err := c.send(ctx, http.MethodGet, "/v1/events", nil)
		if err != nil {
			yield(sandbox.Event{}, err)
			return
		}
		defer resp.Body.Close()
		scan := bufio.NewScanner(resp.Body)
		scan.Buffer(nil, maxEvent)
		for scan.Scan() {
			data, ok := bytes.CutPrefix(scan.Bytes(), []byte("data: "))
			if !ok {
				continue // an id, a comment, or the end of a message
			}
			var e sandbox.Event
			if err := json.Unmarshal(data, &e); err != nil {
				yield(e, fmt.Errorf("read an event of sandbox %s: %w", c.name, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := scan.Err(); err != nil && ctx.Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			yield(sandbox.Event{}, fmt.Errorf("follow the events of sandbox %s: %w", c.name, err))
		}
	}
}
