package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoctorNamesThePortsHolder: a stopped sandbox insists on a port that another process has.
func TestDoctorNamesThePortsHolder(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	number := l.Addr().(*net.TCPAddr).Port
	base := t.TempDir()
	t.Setenv("XDG_STATE_HOME", base)
	dir := filepath.Join(base, "cordage", "ci")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	state := fmt.Sprintf(`{"format":1,"spec":{"name":"ci","replicas":{},"ports":{"lb-1/rest":%d}}}`, number)
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	execute(t.Context(), []string{"doctor", "--json"}, &bytes.Buffer{}, &out, &errOut) // its code depends on the machine
	var findings []finding
	if err := json.Unmarshal(out.Bytes(), &findings); err != nil {
		t.Fatalf("%v: %s%s", err, &out, &errOut)
	}
	for _, f := range findings {
		if f.Check == "port of ci, lb-1/rest" {
			if f.State != "warning" || !strings.Contains(f.Detail, fmt.Sprint(os.Getpid())) || f.Remedy == "" {
				t.Errorf("the finding is %+v", f)
			}
			return
		}
	}
	t.Errorf("the port is not told of: %+v", findings)
}
