// Package record has everything that crosses the bus: the topics, and the records on them, one file per family of
// topics. Records are JSON objects; a record's type is its Go name, carried in a header. Fields are only ever added.
package record

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// TypeOf is the type name of a record, as it stands in the header of that name: the Go name of its struct.
func TypeOf(v any) string {
	t := reflect.TypeOf(v)
	if t == nil {
		return ""
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

// Key is the text of a composite record key: compact JSON with members in the order of the struct's fields.
func Key(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // keys are structs of strings and numbers; anything else is a mistake in this program
		panic(fmt.Sprintf("record key %T: %v", v, err))
	}
	return string(text)
}

// Failure is an error that crosses the bus.
type Failure struct {
	Type    string `json:"errorType"`    // a stable name
	Message string `json:"errorMessage"` // for people; holds no secret
}

func (f Failure) Error() string { return f.Message }
