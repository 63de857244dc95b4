package container

import (
	"bytes"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/container/handover"
)

// program is Cordage in the workers' image.
const program = "/cordage"

// bootFile is what a worker is handed (NodeSpec.Files).
const bootFile = "boot.json"

// workerUser is an account that owns nothing, in the image or on the machine.
const workerUser = "65532:65532"

// planWorker: the image holds one executable and nothing else.
func planWorker(spec sandbox.NodeSpec) (plan, error) {
	if len(spec.Files[bootFile]) == 0 {
		return plan{}, fmt.Errorf("start %s: it needs a file %q", spec.Name, bootFile)
	}
	files, err := handed(spec)
	if err != nil {
		return plan{}, err
	}
	p := plan{
		entry: []string{program},
		command: []string{
			"receive", filesDir, "--", program, "worker", spec.Role, "--boot", filesDir + "/" + bootFile,
		},
		user: workerUser, stdin: files, ports: map[int]int{},
		tmpfs: map[string]string{"/tmp": "rw,nosuid,nodev,noexec,size=64m,mode=1777"},
	}
	for _, number := range spec.Ports {
		p.ports[number] = number
	}
	if monitor := spec.Ports["monitor"]; monitor != 0 {
		p.health = healthCheck(program, "health", fmt.Sprintf("http://127.0.0.1:%d/isHealthy", monitor))
	}
	return p, nil
}

// handed is a node's files in the form in which they are handed over.
func handed(spec sandbox.NodeSpec) ([]byte, error) {
	var text bytes.Buffer
	if err := handover.Write(&text, spec.Files); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return text.Bytes(), nil
}

// Health checks by the engine are for people who look at it; the supervisor has its own.
const (
	healthEvery   = 15 * time.Second
	healthLimit   = 5 * time.Second
	healthRetries = 3
)

func healthCheck(command ...string) *container.HealthConfig {
	return &container.HealthConfig{
		Test: append([]string{"CMD"}, command...), Interval: healthEvery, Timeout: healthLimit, Retries: healthRetries,
	}
}
