package rest

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"unicode/utf8"
)

// form is a multipart body, read part by part.
type form struct{ parts *multipart.Reader }

// isForm tells whether a request says that its body is multipart/form-data.
func isForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "multipart/form-data"
}

func (r *request) form() (*form, error) {
	kind, params, err := mime.ParseMediaType(r.http.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil, fail(http.StatusUnsupportedMediaType, "This operation takes multipart/form-data")
	}
	if params["boundary"] == "" {
		return nil, fail(http.StatusBadRequest, "The content type multipart/form-data has no boundary")
	}
	return &form{multipart.NewReader(r.body, params["boundary"])}, nil
}

// next gives the next part, or io.EOF. Its error is for the client.
func (f *form) next() (*multipart.Part, error) {
	part, err := f.parts.NextRawPart()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, unread(err)
	}
	return part, nil
}

// file goes to the first file of that name. A part is a file only if it has a file name; other parts do not matter.
func (f *form) file(name string) (*multipart.Part, error) {
	for {
		part, err := f.next()
		if errors.Is(err, io.EOF) {
			return nil, badInput(name, "The form has no file named %s", name)
		}
		if err != nil {
			return nil, err
		}
		if part.FormName() == name && part.FileName() != "" {
			return part, nil
		}
	}
}

// storable tells whether PostgreSQL can store a text in a column of n characters.
func storable(s string, n int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= n && !strings.ContainsRune(s, 0)
}

// text64K reads a part as text, of which it takes 64 KiB.
func text64K(part *multipart.Part) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(part, 64<<10))
	if err != nil {
		return "", unread(err)
	}
	return strings.TrimSpace(string(raw)), nil
}
