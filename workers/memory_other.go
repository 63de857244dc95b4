//go:build !linux

package workers

func releaseProgram() {}
