package client

import (
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
)

// Exchange is a request to the REST API as it is to be sent, and is not judged: for those who test the API itself. It is
// part of its context's trace.
type Exchange struct {
	Method, Path string // the path is below the base path, escaped as it is to be sent
	Query        url.Values
	Body         io.Reader // nil for none
	ContentType  string
	Login        string // empty: the administrator
	Password     string
}

// Send sends a request and gives the answer whatever its status is; the caller closes the body.
func (c *REST) Send(ctx context.Context, e Exchange) (*http.Response, error) {
	address := c.base + e.Path
	if len(e.Query) > 0 {
		address += "?" + e.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, e.Method, address, e.Body)
	if err != nil {
		return nil, fmt.Errorf("ask the cluster's REST API: %w", err)
	}
	carryTrace(req)
	if e.Login == "" {
		e.Login, e.Password = c.login, c.password
	}
	req.SetBasicAuth(e.Login, e.Password)
	if e.ContentType != "" {
		req.Header.Set("Content-Type", e.ContentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the cluster's REST API: %w", err)
	}
	return resp, nil
}

// Upload makes the body of a multipart request that is read from a file as it is sent. Close ends it early.
func Upload(part, file string, fields map[string]string) (body io.ReadCloser, contentType string, err error) {
	return upload(part, file, fields, nil)
}

func upload(part, file string, fields map[string]string, progress func(sent int64)) (body io.ReadCloser, contentType string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, "", err
	}
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		defer f.Close()
		w.CloseWithError(func() error {
			for _, name := range sortedKeys(fields) {
				if err := form.WriteField(name, fields[name]); err != nil {
					return err
				}
			}
			p, err := form.CreateFormFile(part, filepath.Base(file))
			if err != nil {
				return err
			}
			if _, err := io.Copy(&counter{to: p, tell: progress}, f); err != nil {
				return err
			}
			return form.Close()
		}())
	}()
	return r, form.FormDataContentType(), nil
}

// counter tells how much has been written through it.
type counter struct {
	to   io.Writer
	sent int64
	tell func(sent int64)
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.sent += int64(n)
	if c.tell != nil {
		c.tell(c.sent)
	}
	return n, err
}
