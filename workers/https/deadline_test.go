package https

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestLimitOfReadingEndsWithTheBody: a request that takes longer to be answered than a piece of its body may take to come
// goes on.
func TestLimitOfReadingEndsWithTheBody(t *testing.T) {
	t.Parallel()
	const limit = 50 * time.Millisecond
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(pacedBody{r.Body, http.NewResponseController(w), limit}); err != nil {
			t.Errorf("read the body: %v", err)
		}
		select {
		case <-r.Context().Done():
			t.Error("the request's context has ended, although its client waits")
		case <-time.After(4 * limit): // well behind the limit, which must not matter
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer server.Close()
	resp, err := server.Client().Post(server.URL, "text/plain", strings.NewReader("a body"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusTeapot {
		t.Errorf("the answer is %s", resp.Status)
	}
}
