package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/cordage-sandbox/cordage/workers/rest/access"
	"github.com/cordage-sandbox/cordage/workers/rest/lenient"
)

// maxJSON bounds a JSON body, in bytes.
//
// Source: Corda 5.0: the default of its HTTP library, whatever maxContentLength says.
const maxJSON = 1_000_000

// request is a request to an operation, read as far as the operation does not matter.
type request struct {
	operation *operation
	who       access.Principal // empty for operations that need no logon
	values    map[string]string
	query     lenient.Query
	http      *http.Request
	body      io.Reader // bounded in length and in the time that each read may take
}

// path is the value of a path parameter.
func (r *request) path(name string) string { return lenient.PathValue(r.values[name]) }

// bind reads the body into a generated type. Content-Type does not matter, except that a form is refused.
func (r *request) bind(into any) error {
	if isForm(r.http) {
		return fail(http.StatusUnsupportedMediaType, "This operation takes JSON, not multipart/form-data")
	}
	text, err := io.ReadAll(r.body)
	if err != nil {
		return unread(err)
	}
	fitting, err := lenient.Body(text, r.operation.wrapper, r.operation.body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(fitting, into); err != nil {
		return fmt.Errorf("body of %s fits its schema, but not its type: %w", r.operation.id, err)
	}
	return nil
}

// unread is what a client is told when its body cannot be read to the end.
func unread(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge
	}
	return fail(http.StatusBadRequest, "The body of the request could not be read to its end")
}
