package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// HTTP is ready when a GET of URL is answered with status 200.
type HTTP struct {
	URL string
	TLS *tls.Config // for https; nil: the system's trust
}

// Ask sends the request, without following redirects.
func (h HTTP) Ask(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: h.TLS, DisableKeepAlives: true, Proxy: nil}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		const shown = 300
		body, _ := io.ReadAll(io.LimitReader(resp.Body, shown))
		return fmt.Errorf("status %s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

func (h HTTP) String() string { return h.URL + " to answer with status 200" }

// TCP is ready when a connection to Address is accepted.
type TCP struct{ Address string }

// Ask connects and closes.
func (t TCP) Ask(ctx context.Context) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return err
	}
	return c.Close()
}

func (t TCP) String() string { return "a listener on " + t.Address }
