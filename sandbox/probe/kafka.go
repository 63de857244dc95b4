package probe

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

// Kafka is ready when a broker knows the controller and at least Brokers brokers.
type Kafka struct {
	Port    int
	Brokers int // 0 counts as 1
}

// Ask connects and asks for the cluster's metadata.
func (k Kafka) Ask(ctx context.Context) error {
	config := sarama.NewConfig()
	config.ClientID = "cordage-probe"
	config.Version = sarama.V3_2_0_0
	limit := askLimit
	if deadline, ok := ctx.Deadline(); ok {
		limit = time.Until(deadline)
	}
	config.Net.DialTimeout, config.Net.ReadTimeout, config.Net.WriteTimeout = limit, limit, limit
	b := sarama.NewBroker(net.JoinHostPort("127.0.0.1", strconv.Itoa(k.Port)))
	if err := b.Open(config); err != nil {
		return err
	}
	defer b.Close()
	if _, err := b.Connected(); err != nil { // waits for Open, which works in the background
		return err
	}
	m, err := b.GetMetadata(sarama.NewMetadataRequest(config.Version, []string{}))
	if err != nil {
		return err
	}
	if want := max(1, k.Brokers); len(m.Brokers) < want || m.ControllerID < 0 {
		return fmt.Errorf("the cluster has %d of %d brokers and controller %d", len(m.Brokers), want, m.ControllerID)
	}
	return nil
}

func (k Kafka) String() string {
	return fmt.Sprintf("Kafka on port %d to answer with its brokers", k.Port)
}
