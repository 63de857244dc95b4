package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"github.com/cordage-sandbox/cordage/sandbox/port"
)

const trainingTopic = "training"

// exercise has a broker do once what every sandbox does in its first second, so that the classes for it are in the
// archive: topics, a transaction, a consumer group.
func exercise(ctx context.Context, number int) error {
	config := sarama.NewConfig()
	config.Version = sarama.V3_2_0_0
	config.Producer.Idempotent, config.Net.MaxOpenRequests = true, 1
	config.Producer.Transaction.ID = trainingTopic
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	client, err := sarama.NewClient([]string{port.Address(number)}, config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer client.Close()
	if err := makeTopics(client); err != nil {
		return err
	}
	if err := transact(client); err != nil {
		return fmt.Errorf("send in a transaction: %w", err)
	}
	group, err := sarama.NewConsumerGroupFromClient(trainingTopic, client)
	if err != nil {
		return fmt.Errorf("join a group: %w", err)
	}
	defer group.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := group.Consume(ctx, []string{trainingTopic}, consumeOne{cancel}); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("consume: %w", err)
	}
	return nil
}

func makeTopics(client sarama.Client) error {
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return err
	}
	compact := "compact"
	for name, config := range map[string]map[string]*string{trainingTopic: nil, trainingTopic + ".compact": {"cleanup.policy": &compact}} {
		detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: config}
		if err := admin.CreateTopic(name, detail, false); err != nil {
			return fmt.Errorf("make topic %s: %w", name, err)
		}
	}
	return nil
}

func transact(client sarama.Client) error {
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return err
	}
	defer producer.Close()
	if err := producer.BeginTxn(); err != nil {
		return err
	}
	if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: trainingTopic, Value: sarama.StringEncoder("x")}); err != nil {
		return err
	}
	return producer.CommitTxn()
}

// consumeOne ends when it has got one record.
type consumeOne struct{ done func() }

func (consumeOne) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (consumeOne) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (c consumeOne) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, open := <-claim.Messages():
			if open {
				s.MarkMessage(m, "")
				s.Commit()
			}
			c.done()
			return nil
		case <-s.Context().Done():
			return nil
		}
	}
}
