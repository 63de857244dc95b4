// Package sandbox has the words of the orchestrator: what a sandbox is made of, the state its nodes are in, the events
// that tell of changes, and the Runtime that starts and stops nodes. Everything in sandbox/… speaks these words.
package sandbox
