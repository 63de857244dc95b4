package https_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/workers/https"
	"github.com/cordage-sandbox/cordage/workers/https/httpstest"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// serve runs a listener until the test ends.
func serve(t *testing.T, h http.HandlerFunc) (address string, client *http.Client, roots *x509.CertPool, stop func() error) {
	t.Helper()
	authority := httpstest.New(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	ended, ready := make(chan error, 1), make(chan struct{})
	boot := authority.Listener(t, address)
	go func() {
		ended <- https.Serve(ctx, boot, h, slog.New(slog.DiscardHandler), func() { close(ready) })
	}()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	<-ready
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(authority.PEM))
	return address, authority.Client(t), roots, stop
}

func TestOnlyTLSAndHTTP1(t *testing.T) {
	t.Parallel()
	address, client, roots, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })
	resp, err := client.Get("https://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "HTTP/1.1" {
		t.Errorf("%s, %v", text, err)
	}
	if resp, err := http.Get("http://" + address); err == nil {
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("plain HTTP is served")
		}
	}
	for name, c := range map[string]*tls.Config{
		"TLS 1.1": {RootCAs: roots, MaxVersion: tls.VersionTLS11}, "HTTP/2": {RootCAs: roots, NextProtos: []string{"h2"}},
	} {
		if conn, err := tls.Dial("tcp", address, c); err == nil {
			if p := conn.ConnectionState().NegotiatedProtocol; name == "TLS 1.1" || p == "h2" {
				t.Errorf("%s is spoken", name)
			}
			conn.Close()
		}
	}
}

// TestSlowClientsAreCutOff has clients that send less than a request, and then nothing.
func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes as long as the limit: 10 s")
	}
	address, _, roots, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	for name, sent := range map[string]string{"half a header": "GET / HTTP/1.1\r\nHost: x\r\n", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, sent); err != nil {
				t.Fatal(err)
			}
			conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			start := time.Now()
			_, err = io.Copy(io.Discard, conn)
			if ne, is := errors.AsType[net.Error](err); is && ne.Timeout() {
				t.Errorf("still connected after %v", time.Since(start))
			}
		})
	}
}

func TestLargeHeaderIsRefused(t *testing.T) {
	t.Parallel()
	address, client, _, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
	req, err := http.NewRequest("GET", "https://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X", strings.Repeat("x", 100<<10))
	resp, err := client.Do(req)
	if err != nil {
		return // cut off, also right
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestPacedBody gives every read of a body its own time: deadlines set by an earlier read do not stay.
func TestPacedBody(t *testing.T) {
	t.Parallel()
	address, client, _, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Error(err)
		}
		text, err := io.ReadAll(https.PacedBody(w, r.Body))
		if err != nil || len(text) != 1<<20 {
			t.Errorf("%d bytes, %v", len(text), err)
		}
	})
	resp, err := client.Post("https://"+address, "", strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// TestDrains ends the listener with a request in hand: it is answered, and nobody else gets in.
func TestDrains(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	address, client, roots, stop := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/other" {
			return
		}
		close(entered)
		<-release
		io.WriteString(w, "done")
	})
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	for {
		resp, err := client.Get("https://" + address + "/other")
		if err != nil {
			break
		}
		resp.Body.Close()
	}
	select {
	case err := <-ended:
		t.Fatalf("ended with a request in hand: %v", err)
	default:
	}
	close(release)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "done" {
		t.Errorf("%s, %v", text, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestBadCertificateAndTakenPort(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	if err := https.Serve(t.Context(), role.RESTBoot{Listen: "127.0.0.1:0", Certificate: "x", Key: "y"}, nil, log, func() {}); err == nil {
		t.Error("a certificate that is none is served")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	boot := httpstest.New(t).Listener(t, l.Addr().String())
	if err := https.Serve(t.Context(), boot, nil, log, func() {}); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("a taken port: %v", err)
	}
}

// A client that sends the whole of a request before it reads must see why it was refused, not a broken connection.
func TestRefusalOfLargeBodyArrives(t *testing.T) {
	t.Parallel()
	const size = 20 << 20
	address, _, roots, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, 1<<20)
		r.Body.Close()
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for range 2 { // and the connection serves on
		request := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n"
		if _, err := io.WriteString(conn, request+strings.Repeat("a", size)); err != nil {
			t.Fatal("the request cannot be sent to its end:", err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
}

// A client that asks before it sends a body is refused without sending it.
func TestRefusalBeforeBody(t *testing.T) {
	t.Parallel()
	address, _, roots, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", resp.StatusCode)
	}
}
