package store

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
)

func TestLiterals(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), servers.Database(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, conforming := range []string{"on", "off"} {
		for _, text := range []string{"", "plain", "it's", `\`, `\'`, `'; DROP TABLE x; --`, `a\nb`, "new\nline", "ü", `SCRAM-SHA-256$4096:a+/=$b:c`} {
			var got string
			if _, err := conn.Exec(t.Context(), "SET standard_conforming_strings = "+conforming); err != nil {
				t.Fatal(err)
			}
			results, err := exec(t.Context(), conn, "SELECT "+quoteLiteral(text))
			if err == nil {
				got = string(results[0].Rows[0][0])
			}
			if err != nil || got != text {
				t.Errorf("standard_conforming_strings %s: %q comes back as %q, %v", conforming, text, got, err)
			}
		}
	}
}
