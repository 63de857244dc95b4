package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox/artefact"
)

// describeMachine names what the figures depend on.
func describeMachine(ctx context.Context) (string, error) {
	java, err := artefact.FindJava(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Measured on %s: %s, %d cores, %s; %s (%s/%s); Go %s, Java %s", time.Now().UTC().Format(time.DateOnly),
		processor(), runtime.NumCPU(), memory(), system(ctx), runtime.GOOS, runtime.GOARCH, strings.TrimPrefix(runtime.Version(), "go"), java.Version), nil
}

// processor is the model's name; what the system does not tell is called unknown.
func processor() string {
	return field("/proc/cpuinfo", "model name", "unknown processor")
}

func memory() string {
	kilobytes, err := strconv.Atoi(strings.TrimSuffix(field("/proc/meminfo", "MemTotal", ""), " kB"))
	if err != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%.0f GiB", float64(kilobytes)/(1<<20))
}

// field reads the first NAME: VALUE of a file.
func field(file, name, otherwise string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return otherwise
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}

// system is the name and release of the kernel.
func system(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "uname", "-sr").Output()
	if err != nil {
		return runtime.GOOS
	}
	return strings.TrimSpace(string(out))
}
