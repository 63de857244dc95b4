package bus

import (
	"context"
	"fmt"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// Ping asks Kafka for something small, and tells why it does not answer before ctx ends.
func (b *Bus) Ping(ctx context.Context) error {
	if _, err := b.k.Latest(ctx, b.topic(record.TopicConfig)); err != nil {
		return fmt.Errorf("ask Kafka: %w", err)
	}
	return nil
}
