package bus

import (
	"context"
	"time"
)

// DurableConfig is a durable subscription.
type DurableConfig struct {
	Group    string // without prefix
	Topic    string
	MaxBatch int           // records that the handler is given at once, at most; 0 means 500
	Linger   time.Duration // how long a batch that is not full waits for more; 0: not at all
}

// Handler handles records of one partition, in order, and gives the records to be sent in answer.
type Handler func(ctx context.Context, batch []Record) ([]Message, error)

// Durable consumes a topic in a group and sends what the handler gives exactly once.
type Durable struct{}

// Durable makes the subscription.
func (b *Bus) Durable(c DurableConfig, h Handler) *Durable { return &Durable{} }

// Run consumes until ctx ends.
func (d *Durable) Run(ctx context.Context, ready func()) error { return errSoon }

// DeadLetter sends a record that cannot be read to its topic's dead letters, as it is.
func DeadLetter(r Record, why error) Message { return Message{Topic: r.Topic + ".dlq", Key: r.Key} }
