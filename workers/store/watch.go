package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// Rests between two tests of a database, and how long it may take to answer one.
const (
	pingEvery     = 10 * time.Second
	pingWhileDown = 500 * time.Millisecond
	pingLimit     = 5 * time.Second
)

// Watch keeps a component's state true: DOWN while the database, which is called name in the reason, does not answer. It is
// ready with the first answer, and runs until ctx ends.
func Watch(pool *pgxpool.Pool, name string, mark telemetry.Mark) func(ctx context.Context, ready func()) error {
	return func(ctx context.Context, ready func()) error {
		for {
			wait := pingEvery
			limited, cancel := context.WithTimeout(ctx, pingLimit)
			err := pool.Ping(limited)
			cancel()
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				wait = pingWhileDown
				mark.Down(fmt.Sprintf("the %s does not answer: %v", name, err))
			default:
				ready()
				mark.Up()
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return nil
			}
		}
	}
}
