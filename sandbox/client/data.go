package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Databases lists the logical databases: those of the cluster, then those of virtual nodes.
func (c *Client) Databases(ctx context.Context) (d []sandbox.DatabaseInfo, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/databases", nil, &d)
	return d, err
}

// Tables lists the tables of a logical database.
func (c *Client) Tables(ctx context.Context, database string) (t []sandbox.Table, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/databases/"+url.PathEscape(database)+"/tables", nil, &t)
	return t, err
}

// Rows is a page of a table.
func (c *Client) Rows(ctx context.Context, database, table string, p sandbox.Page) (r sandbox.Rows, err error) {
	path := "/v1/databases/" + url.PathEscape(database) + "/tables/" + url.PathEscape(table) + "/rows?" + page(p).Encode()
	err = c.call(ctx, http.MethodGet, path, nil, &r)
	return r, err
}

// Uniqueness is what the uniqueness checker remembers of a virtual node, which is named by its short hash.
func (c *Client) Uniqueness(ctx context.Context, vnode string, f sandbox.UniquenessFilter) (u sandbox.Uniqueness, err error) {
	q := page(f.Page)
	if f.Show != "" {
		q.Set("show", f.Show)
	}
	if f.Find != "" {
		q.Set("find", f.Find)
	}
	err = c.call(ctx, http.MethodGet, "/v1/uniqueness/"+url.PathEscape(vnode)+"?"+q.Encode(), nil, &u)
	return u, err
}

func page(p sandbox.Page) url.Values {
	q := url.Values{}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	if p.After != "" {
		q.Set("after", p.After)
	}
	return q
}
