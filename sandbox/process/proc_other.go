//go:build !linux

package process

import (
	"errors"
	"time"
)

// Elsewhere than on Linux processes of others cannot be looked into: nodes of a killed supervisor are not found, and
// use is not measured.

const canSeeProcesses = false

type stat struct {
	state       byte
	parent      int
	birth       uint64
	cpu, reaped time.Duration
}

func statOf(int) (stat, error) { return stat{}, errors.ErrUnsupported }

func birthOf(int) (uint64, error) { return 0, errors.ErrUnsupported }

func startedAt(uint64) time.Time { return time.Time{} }

func processes() []int { return nil }

func environment(int) map[string]string { return nil }

func titleOf(int) string { return "" }

func removeShared(string) {}

func executableOf(int) string { return "" }

func processesIn(string) []int { return nil }

func killAllIn(string) error { return nil }

func awaitEnd(int, uint64) {} // of an adopted process, of which there are none

func memoryOf(int, bool) int64 { return 0 }
