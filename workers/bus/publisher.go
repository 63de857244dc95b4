package bus

import "context"

// Publisher sends records in transactions; safe for concurrent use.
type Publisher struct{}

// NewPublisher makes the publisher of that name, which must be unique within the worker. It ends the transactions of an
// earlier one of the same worker and name.
func (b *Bus) NewPublisher(ctx context.Context, name string) (*Publisher, error) { return nil, errSoon }

// Publish sends the messages, all or none, and returns when they are committed. Calls at the same time may share a
// transaction.
func (p *Publisher) Publish(ctx context.Context, msgs ...Message) error { return errSoon }

// Close waits for the calls in hand.
func (p *Publisher) Close() error { return nil }
