// Package client talks to the supervisor of a sandbox, and through its credentials to the cluster's REST API. It is all
// that a front end needs. Workers must not import it.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/trace"
	"github.com/cordage-sandbox/cordage/workers/clock"
)

// Client is a connection to one supervisor; safe for concurrent use.
type Client struct {
	name string
	http *http.Client
}

// Open gives a client for the sandbox. It does not connect yet.
func Open(d sandbox.Dir) *Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", d.Socket())
	}}
	return &Client{name: d.Name, http: &http.Client{Transport: transport}}
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is a refusal by the supervisor.
type Error struct {
	Status  int
	Code    string // not-found, bad-request, busy, timeout, failed
	Message string
	Help    string
}

func (e *Error) Error() string { return e.Message }

// Hint is the way out, if there is one.
func (e *Error) Hint() string { return e.Help }

// Alive tells whether a supervisor answers.
func (c *Client) Alive(ctx context.Context) bool {
	_, err := c.Sandbox(ctx)
	return err == nil
}

// Sandbox describes the sandbox. All methods return a *sandbox.NotRunningError when no supervisor answers.
func (c *Client) Sandbox(ctx context.Context) (info sandbox.Info, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/sandbox", nil, &info)
	return info, err
}

// Nodes lists the nodes in the order of start.
func (c *Client) Nodes(ctx context.Context) (nodes []sandbox.Node, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/nodes", nil, &nodes)
	return nodes, err
}

// Node describes one node.
func (c *Client) Node(ctx context.Context, name string) (n sandbox.Node, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/nodes/"+url.PathEscape(name), nil, &n)
	return n, err
}

// Restart restarts the nodes meant by a node's name, a worker type or "all", and returns when they are ready.
func (c *Client) Restart(ctx context.Context, name string) ([]sandbox.Node, error) {
	return c.control(ctx, name, "restart")
}

// Kill ends nodes with SIGKILL; the supervisor starts them again.
func (c *Client) Kill(ctx context.Context, name string) ([]sandbox.Node, error) {
	return c.control(ctx, name, "kill")
}

// Pause freezes nodes.
func (c *Client) Pause(ctx context.Context, name string) ([]sandbox.Node, error) {
	return c.control(ctx, name, "pause")
}

// Unpause lets paused nodes go on.
func (c *Client) Unpause(ctx context.Context, name string) ([]sandbox.Node, error) {
	return c.control(ctx, name, "unpause")
}

func (c *Client) control(ctx context.Context, name, what string) (nodes []sandbox.Node, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/nodes/"+url.PathEscape(name)+"/"+what, nil, &nodes)
	return nodes, err
}

// Scale sets the number of workers of a type, and returns when they are ready.
func (c *Client) Scale(ctx context.Context, role string, n int) (nodes []sandbox.Node, err error) {
	body := map[string]int{"replicas": n}
	err = c.call(ctx, http.MethodPut, "/v1/workers/"+url.PathEscape(role)+"/replicas", body, &nodes)
	return nodes, err
}

// Clock is the setting of the sandbox's clock.
func (c *Client) Clock(ctx context.Context) (s clock.Setting, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/clock", nil, &s)
	return s, err
}

// SetClock changes the clock, and returns when every worker has confirmed.
func (c *Client) SetClock(ctx context.Context, change sandbox.ClockChange) (s clock.Setting, err error) {
	err = c.call(ctx, http.MethodPut, "/v1/clock", change, &s)
	return s, err
}

// Topology is what is observed.
func (c *Client) Topology(ctx context.Context) (t sandbox.Topology, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/topology", nil, &t)
	return t, err
}

// Topics lists the topics.
func (c *Client) Topics(ctx context.Context) (t []sandbox.TopicInfo, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/topics", nil, &t)
	return t, err
}

// Traces lists the latest requests.
func (c *Client) Traces(ctx context.Context, limit int) (t []trace.Summary, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/traces?limit="+strconv.Itoa(limit), nil, &t)
	return t, err
}

// Trace is one request, by the beginning of its id.
func (c *Client) Trace(ctx context.Context, id string) (t trace.Trace, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/traces/"+url.PathEscape(id), nil, &t)
	return t, err
}

// Credentials are what is needed to reach into the sandbox.
func (c *Client) Credentials(ctx context.Context) (cr sandbox.Credentials, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/credentials", nil, &cr)
	return cr, err
}

// Profile is how the start spent its time.
func (c *Client) Profile(ctx context.Context) (p sandbox.Profile, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/start-profile", nil, &p)
	return p, err
}

// Stop stops the sandbox, and removes all it keeps if purge is set. It returns when no node runs any more; the
// supervisor ends a moment later.
func (c *Client) Stop(ctx context.Context, purge bool) error {
	return c.call(ctx, http.MethodPost, "/v1/stop", map[string]bool{"purge": purge}, nil)
}

// Logs streams a node's log: its last tail lines (all if negative), and what follows if follow is set.
func (c *Client) Logs(ctx context.Context, node string, tail int, follow bool) (io.ReadCloser, error) {
	q := url.Values{"tail": {strconv.Itoa(tail)}}
	if follow {
		q.Set("follow", "1")
	}
	resp, err := c.send(ctx, http.MethodGet, "/v1/nodes/"+url.PathEscape(node)+"/logs?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("read the supervisor's answer to %s %s: %w", method, path, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write the body of %s %s: %w", method, path, err)
		}
		text = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, text)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, &sandbox.NotRunningError{Name: c.name}
	}
	if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.ENOTDIR) {
		return nil, &sandbox.DirError{Attempt: "ask the supervisor of sandbox " + c.name, Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("ask the supervisor of sandbox %s: %w", c.name, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, refusal(resp)
}

// refusal reads the problem that an answer tells.
func refusal(resp *http.Response) error { return problem(resp.Body, resp) }

func problem(from io.Reader, resp *http.Response) error {
	var p struct{ Code, Message, Hint string }
	const most = 1 << 20
	if err := json.NewDecoder(io.LimitReader(from, most)).Decode(&p); err != nil || p.Message == "" {
		return &Error{Status: resp.StatusCode, Code: "failed", Message: "the supervisor answered " + resp.Status}
	}
	return &Error{Status: resp.StatusCode, Code: p.Code, Message: p.Message, Help: p.Hint}
}
