package lang

import _ "embed"

// Schema is the JSON Schema of scenario files, for editors. [Parse] is the authority: it also checks expressions.
//
//go:embed schema.json
var Schema []byte //nolint:gochecknoglobals // embedded file
