package wire

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAnyOf: a broker that accepts connections and is silent, as one that is starting does, is not what others wait for.
func TestAnyOf(t *testing.T) {
	t.Parallel()
	refused := errors.New("connection refused")
	for name, tc := range map[string]struct {
		addrs []string // what each does
		want  string
		err   string
		after time.Duration
	}{
		"the first answers":         {[]string{"answers", "fails"}, "answers", "", 0},
		"the first fails":           {[]string{"fails", "answers"}, "answers", "", 0},
		"the first is silent":       {[]string{"silent", "answers"}, "answers", "", silence},
		"two are silent":            {[]string{"silent", "silent too", "answers"}, "answers", "", 2 * silence},
		"one fails, one is late":    {[]string{"late", "fails"}, "late", "", 2 * time.Second},
		"silent, then refused":      {[]string{"silent", "fails"}, "", "no answer within 5s", answerTimeout},
		"all fail":                  {[]string{"fails", "fails again"}, "", refused.Error() + "\n" + refused.Error(), 0},
		"there is none to ask":      {nil, "", "broker not available", 0},
		"silent, refused, answered": {[]string{"silent", "fails", "answers"}, "answers", "", silence},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got, err := anyOf(t.Context(), tc.addrs, func(ctx context.Context, addr string) (string, error) {
					switch what, _, _ := strings.Cut(addr, " "); what {
					case "answers":
						return addr, nil
					case "fails":
						return "", refused
					case "late":
						select {
						case <-time.After(2 * time.Second):
							return addr, nil
						case <-ctx.Done():
						}
					}
					<-ctx.Done()
					return "", context.Cause(ctx)
				})
				if got != tc.want || tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(strings.ToLower(err.Error()), tc.err)) {
					t.Errorf("anyOf(%v) = %q, %v; want %q, %q", tc.addrs, got, err, tc.want, tc.err)
				}
				if took := time.Since(began); took != tc.after {
					t.Errorf("anyOf(%v) took %v, want %v", tc.addrs, took, tc.after)
				}
			})
		})
	}
}
