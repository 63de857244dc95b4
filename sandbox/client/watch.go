package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// FollowTopology gives what is observed about once a second, until ctx ends, the supervisor ends (the sequence ends) or
// the connection breaks (the last element is the error).
func (c *Client) FollowTopology(ctx context.Context) iter.Seq2[sandbox.Topology, error] {
	return follow[sandbox.Topology](ctx, c, "topology", "/v1/topology?follow=1")
}

// Messages gives the records of topics as they come, after the latest that are kept if f.Tail asks for them; it ends as
// [Client.FollowTopology] does.
func (c *Client) Messages(ctx context.Context, f sandbox.MessageFilter) iter.Seq2[sandbox.Message, error] {
	q := url.Values{}
	for name, value := range map[string]string{"topic": f.Topic, "key": f.Key, "type": f.Type, "vnode": f.VNode, "text": f.Text} {
		if value != "" {
			q.Set(name, value)
		}
	}
	q.Set("tail", strconv.Itoa(f.Tail))
	return follow[sandbox.Message](ctx, c, "messages", "/v1/messages?"+q.Encode())
}

// LogLines gives the lines of logs, all nodes merged in the order of time. Without f.Follow the sequence ends after the
// last line; with it as [Client.FollowTopology] does.
func (c *Client) LogLines(ctx context.Context, f sandbox.LogFilter) iter.Seq2[sandbox.LogLine, error] {
	q := url.Values{"tail": {strconv.Itoa(f.Tail)}}
	if len(f.Nodes) > 0 {
		q.Set("node", strings.Join(f.Nodes, ","))
	}
	if f.Level != "" {
		q.Set("level", f.Level)
	}
	if f.Match != "" {
		q.Set("match", f.Match)
	}
	if f.Follow {
		q.Set("follow", "1")
	}
	return follow[sandbox.LogLine](ctx, c, "logs", "/v1/logs?"+q.Encode())
}

// NodeConfig is the configuration of a node, with secrets masked.
func (c *Client) NodeConfig(ctx context.Context, node string) (n sandbox.NodeConfig, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/nodes/"+url.PathEscape(node)+"/config", nil, &n)
	return n, err
}
