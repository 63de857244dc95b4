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
	return follow[sandbox.Event](ctx, c, "events", "/v1/events")
}

// follow reads a stream of server-sent events whose data are Ts in JSON.
func follow[T any](ctx context.Context, c *Client, what, path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		resp, err := c.send(ctx, http.MethodGet, path, nil)
		if err != nil {
			yield(none, err)
			return
		}
		defer resp.Body.Close()
		scan := bufio.NewScanner(resp.Body)
		scan.Buffer(nil, maxEvent)
		failed := false
		for scan.Scan() {
			data, ok := bytes.CutPrefix(scan.Bytes(), []byte("data: "))
			if !ok {
				failed = failed || bytes.Equal(scan.Bytes(), []byte("event: error"))
				continue // an id, a comment, or the end of a message
			}
			if failed {
				yield(none, problem(bytes.NewReader(data), resp))
				return
			}
			var v T
			if err := json.Unmarshal(data, &v); err != nil {
				yield(v, fmt.Errorf("read the %s of sandbox %s: %w", what, c.name, err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if err := scan.Err(); err != nil && ctx.Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			yield(none, fmt.Errorf("follow the %s of sandbox %s: %w", what, c.name, err))
		}
	}
}
