package topology

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/mask"
)

// BrokerSettings are the settings of a broker that are not Kafka's defaults, by name, with secrets masked.
func BrokerSettings(s Source, node string) ([]sandbox.Setting, error) {
	p := &kafkaPart{}
	defer p.close()
	if err := p.connect(s); err != nil {
		return nil, err
	}
	brokers, _, err := p.admin.DescribeCluster()
	if err != nil {
		return nil, fmt.Errorf("describe the cluster: %w", err)
	}
	id := int32(-1)
	for _, b := range brokers {
		if nodeAt(b.Addr(), s.Nodes) == node {
			id = b.ID()
		}
	}
	if id < 0 {
		return nil, fmt.Errorf("%s is not among the brokers at present", node)
	}
	resource := sarama.ConfigResource{Type: sarama.BrokerResource, Name: strconv.Itoa(int(id))}
	found, err := p.admin.DescribeConfigs([]*sarama.ConfigResource{&resource}, sarama.DescribeConfigsOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the settings of %s: %w", node, err)
	}
	if len(found) != 1 || found[0].ErrorCode != sarama.ErrNoError {
		return nil, fmt.Errorf("read the settings of %s: Kafka does not tell them", node)
	}
	list := []sandbox.Setting{}
	for _, e := range found[0].Configs {
		if e.Source == sarama.SourceDefault || e.Default {
			continue
		}
		value := mask.Text(e.Value)
		if e.Sensitive || mask.Secret(e.Name) {
			value = mask.Shown
		}
		list = append(list, sandbox.Setting{Name: e.Name, Value: value, From: sourceOf(e.Source)})
	}
	slices.SortFunc(list, func(a, b sandbox.Setting) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func sourceOf(s sarama.ConfigSource) string {
	switch s {
	case sarama.SourceStaticBroker:
		return "file"
	case sarama.SourceDynamicBroker, sarama.SourceDynamicDefaultBroker:
		return "changed"
	default:
		return ""
	}
}

// nodeAt is the node whose broker listens at an address.
func nodeAt(address string, nodes []sandbox.Node) string {
	for _, n := range nodes {
		if number := n.Ports["broker"]; number != 0 && strings.HasSuffix(address, ":"+strconv.Itoa(number)) {
			return n.Name
		}
	}
	return ""
}

// brokersOf tells what each broker has.
func (p *kafkaPart) brokersOf(s Source) ([]sandbox.Broker, error) {
	if p.held != nil && time.Since(p.holding) < brokersEvery {
		return p.held, nil
	}
	found, _, err := p.admin.DescribeCluster()
	if err != nil {
		return nil, fmt.Errorf("describe the cluster: %w", err)
	}
	topics, err := p.admin.DescribeTopics(slices.Sorted(maps.Keys(p.details)))
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	brokers := map[int32]*sandbox.Broker{}
	for _, b := range found {
		one := &sandbox.Broker{ID: b.ID(), Address: b.Addr(), Node: nodeAt(b.Addr(), s.Nodes)}
		// By layout, which has exactly one controller: Kafka 3.2 names any broker that lives as the controller of a cluster
		// without ZooKeeper, and tells of its quorum at the controller's own listener only.
		one.Controller = one.Node == s.Names.Kafka
		brokers[b.ID()] = one
	}
	count := func(ids []int32, of func(*sandbox.Broker) *int) {
		for _, id := range ids {
			if b := brokers[id]; b != nil {
				*of(b)++
			}
		}
	}
	for _, t := range topics {
		for _, n := range t.Partitions {
			count([]int32{n.Leader}, func(b *sandbox.Broker) *int { return &b.Leads })
			count(n.Replicas, func(b *sandbox.Broker) *int { return &b.Replicas })
			count(n.Isr, func(b *sandbox.Broker) *int { return &b.InSync })
		}
	}
	list := []sandbox.Broker{}
	for _, id := range slices.Sorted(maps.Keys(brokers)) {
		list = append(list, *brokers[id])
	}
	p.held, p.holding = list, time.Now()
	return list, nil
}
