package rest

import (
	"context"
	"fmt"
	"net/http"
)

// hello greets. It is POST, as in Corda 5.0.
func (s *service) hello(_ context.Context, r *request) (answer, error) {
	addressee, given := r.query.Get("addressee")
	if !given {
		return answer{}, fail(http.StatusBadRequest, "Missing query parameter 'addressee'").with("addressee", "is missing")
	}
	return ok(rawText(fmt.Sprintf("Hello, %s! (from %s)", addressee, r.who.Typed)))
}
