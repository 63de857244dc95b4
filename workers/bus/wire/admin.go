package wire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// NewTopic is a topic to be made.
type NewTopic struct {
	Name       string
	Partitions int32
	Settings   map[string]string
}

// CreateTopics makes topics in one request, and waits until all have leaders. Topics that exist are left as they are.
func (k *Cluster) CreateTopics(ctx context.Context, topics []NewTopic, replication int16) error {
	details := map[string]*sarama.TopicDetail{}
	for _, t := range topics {
		entries := map[string]*string{}
		for name, value := range t.Settings {
			entries[name] = &value
		}
		details[t.Name] = &sarama.TopicDetail{NumPartitions: t.Partitions, ReplicationFactor: replication, ConfigEntries: entries}
	}
	request := &sarama.CreateTopicsRequest{Version: 4, TopicDetails: details, Timeout: 30 * time.Second}
	err := k.retry(ctx, fmt.Sprintf("create %d topics", len(topics)), func() error {
		version := k.meta.now()
		err := k.createTopics(ctx, request)
		if err != nil && moved(err) && ctx.Err() == nil {
			if err := k.refresh(ctx, version); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return k.retry(ctx, "wait for leaders of topics", func() error {
		if err := k.refresh(ctx, k.meta.now()); err != nil {
			return err
		}
		for _, t := range topics {
			if _, ok := k.meta.leader(t.Name, 0); !ok {
				return fmt.Errorf("topic %s: %w", t.Name, sarama.ErrLeaderNotAvailable)
			}
		}
		return nil
	})
}

func (k *Cluster) createTopics(ctx context.Context, request *sarama.CreateTopicsRequest) error {
	k.meta.mu.RLock()
	controller := k.meta.controller
	k.meta.mu.RUnlock()
	var r *sarama.CreateTopicsResponse
	err := k.call(ctx, controller, func(b *sarama.Broker) (err error) {
		r, err = b.CreateTopics(request)
		return err
	})
	if err != nil {
		return err
	}
	var faults []error
	for name, fault := range r.TopicErrors {
		switch fault.Err {
		case sarama.ErrNoError, sarama.ErrTopicAlreadyExists:
			delete(request.TopicDetails, name)
		default:
			faults = append(faults, fmt.Errorf("topic %s: %w", name, errors.Join(fault.Err, fault)))
		}
	}
	return errors.Join(faults...)
}
