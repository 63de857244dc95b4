package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

// Kafka is ready when a broker knows the controller and at least Brokers brokers, and a coordinator for groups and one
// for transactions. Brokers make the topics for these when they are first asked; a client that comes before they are
// there backs off for seconds.
type Kafka struct {
	Port           int
	Brokers        int  // 0 counts as 1
	NoCoordinators bool // do not ask for coordinators
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
	if k.NoCoordinators {
		return nil
	}
	return coordinators(b)
}

// coordinators asks for the coordinator of a group and of a transactional id that nobody uses.
func coordinators(b *sarama.Broker) error {
	for what, kind := range map[string]sarama.CoordinatorType{"groups": sarama.CoordinatorGroup, "transactions": sarama.CoordinatorTransaction} {
		r, err := b.FindCoordinator(&sarama.FindCoordinatorRequest{Version: 2, CoordinatorKey: "cordage-probe", CoordinatorType: kind})
		if err != nil {
			return fmt.Errorf("find the coordinator of %s: %w", what, err)
		}
		if !errors.Is(r.Err, sarama.ErrNoError) {
			return fmt.Errorf("find the coordinator of %s: %w", what, r.Err)
		}
	}
	return nil
}

func (k Kafka) String() string {
	return fmt.Sprintf("Kafka on port %d to answer with its brokers", k.Port)
}
