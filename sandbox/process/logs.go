package process

import (
	"context"
	"fmt"
	"io"

	"github.com/cordage-sandbox/cordage/sandbox/logs"
)

// log is the log of a node, with those put aside.
func (r *Runtime) log(node string) logs.File {
	return logs.File{Path: r.logFile(node), Kept: r.o.LogCount}
}

// Logs gives the log of a node: its last tail lines (all there are, those put aside included, when tail is negative) and,
// with follow, what the node logs from then on until ctx ends or the reader is closed, also across its restarts.
//
// Errors: fs.ErrNotExist if the node has never run.
func (r *Runtime) Logs(ctx context.Context, node string, tail int, follow bool) (io.ReadCloser, error) {
	if err := checkName(node); err != nil {
		return nil, err
	}
	log, err := r.log(node).Open(ctx, tail, follow)
	if err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", node, err)
	}
	return log, nil
}

// tendLog puts the log of a node aside when it has grown too big, as long as the node runs.
func (r *Runtime) tendLog(i *instance) { r.log(i.Node()).Tend(i.done, r.o.LogSize, r.o.LogCheck) }
