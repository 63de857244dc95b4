package topology

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// kafkaPart looks at who consumes which topic, how far behind it is, and at topics and brokers. It keeps its connection.
type kafkaPart struct {
	edges   []sandbox.Edge
	topics  []sandbox.TopicInfo // without groups
	brokers []sandbox.Broker

	admin   sarama.ClusterAdmin
	to      string // where they lead
	details map[string]sarama.TopicDetail
	detail  time.Time // when details were read
	held    []sandbox.Broker
	holding time.Time // when held was read
	rates   rates
}

// brokersEvery is how often brokers are asked what they have.
const brokersEvery = 3 * time.Second

// detailsEvery is how often topics are listed: they are seldom made, and their settings cost the broker something.
const detailsEvery = 15 * time.Second

// look does not heed its context, as sarama takes none: the limit of each request bounds it.
func (p *kafkaPart) look(_ context.Context, s Source) (func(), error) {
	keep, err := p.lookAt(s)
	if err != nil {
		p.close()
		return nil, err
	}
	return keep, nil
}

func (p *kafkaPart) close() {
	if p.admin != nil {
		_ = p.admin.Close() // closes the client too
	}
	p.admin, p.details, p.held = nil, nil, nil
}

// requestLimit bounds one request to a broker.
const requestLimit = 2 * time.Second

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID, config.Version = "cordage-topology", sarama.V3_2_0_0
	config.Net.DialTimeout, config.Net.ReadTimeout, config.Net.WriteTimeout = requestLimit, requestLimit, requestLimit
	config.Metadata.Retry.Max, config.Admin.Retry.Max = 0, 0
	config.Metadata.RefreshFrequency = 5 * time.Second
	return config
}

func (p *kafkaPart) connect(s Source) error {
	if p.admin != nil && p.to == s.Brokers {
		return nil
	}
	p.close()
	client, err := sarama.NewClient(strings.Split(s.Brokers, ","), settings())
	if err != nil {
		return fmt.Errorf("connect to Kafka at %s: %w", s.Brokers, err)
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return errors.Join(fmt.Errorf("connect to Kafka at %s: %w", s.Brokers, err), client.Close())
	}
	p.admin, p.to = admin, s.Brokers
	return nil
}

func (p *kafkaPart) lookAt(s Source) (func(), error) {
	if err := p.connect(s); err != nil {
		return nil, err
	}
	edges, err := p.consumers(s)
	if err != nil {
		return nil, err
	}
	topics, err := p.topicsOf(s)
	if err != nil {
		return nil, err
	}
	brokers, err := p.brokersOf(s)
	if err != nil {
		return nil, err
	}
	return func() { p.edges, p.topics, p.brokers = edges, topics, brokers }, nil
}

func ask(into map[string]map[int32]int64, topic string, partitions []int32, at int64) {
	if into[topic] == nil {
		into[topic] = map[int32]int64{}
	}
	for _, p := range partitions {
		into[topic][p] = at
	}
}
