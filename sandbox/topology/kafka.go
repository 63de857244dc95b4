package topology

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// member is a node's share of a topic in a group.
type member struct {
	group, node, topic string
	partitions         []int32
}

// consumers finds who consumes which topic, and how far behind it is.
func (p *kafkaPart) consumers(s Source) ([]sandbox.Edge, error) {
	members, err := groupMembers(p.admin, s.Nodes)
	if err != nil {
		return nil, err
	}
	lags, err := lagOf(p.admin, members)
	if err != nil {
		return nil, err
	}
	var edges []sandbox.Edge
	for _, m := range members {
		e := sandbox.Edge{
			From: m.node, To: s.Names.Kafka, Kind: sandbox.EdgeConsumes, What: strings.TrimPrefix(m.topic, s.Prefix),
			Group: m.group, Count: len(m.partitions), Up: true,
		}
		for _, p := range m.partitions {
			e.Lag += lags[partition{m.group, m.topic, p}]
		}
		edges = append(edges, e)
	}
	return edges, nil
}

// groupMembers lists what the members of all groups are assigned. A member's client id begins with its node's name.
func groupMembers(a sarama.ClusterAdmin, nodes []sandbox.Node) ([]member, error) {
	groups, err := a.ListConsumerGroups()
	if err != nil {
		return nil, fmt.Errorf("list consumer groups: %w", err)
	}
	if len(groups) == 0 {
		return nil, nil
	}
	described, err := a.DescribeConsumerGroups(slices.Sorted(maps.Keys(groups)))
	if err != nil {
		return nil, fmt.Errorf("describe consumer groups: %w", err)
	}
	var members []member
	for _, g := range described {
		for _, m := range g.Members {
			node := nodeOf(m.ClientId, nodes)
			assigned, err := m.GetMemberAssignment()
			if node == "" || err != nil || assigned == nil {
				continue // a stranger, or a group in the midst of a rebalance
			}
			for topic, partitions := range assigned.Topics {
				members = append(members, member{g.GroupId, node, topic, partitions})
			}
		}
	}
	return members, nil
}

// nodeOf is the node whose name a client id begins with, alone or followed by something that is no part of a name.
func nodeOf(client string, nodes []sandbox.Node) string {
	best := ""
	for _, n := range nodes {
		rest, ok := strings.CutPrefix(client, n.Name)
		if ok && (rest == "" || !strings.ContainsAny(rest[:1], "0123456789")) && len(n.Name) > len(best) {
			best = n.Name
		}
	}
	return best
}

type partition struct {
	group, topic string
	number       int32
}

// lagOf is how many records each group has not yet consumed.
func lagOf(a sarama.ClusterAdmin, members []member) (map[partition]int64, error) {
	wanted := map[string]map[string][]int32{} // group → topic → partitions
	latest := map[string]map[int32]int64{}
	for _, m := range members {
		if wanted[m.group] == nil {
			wanted[m.group] = map[string][]int32{}
		}
		wanted[m.group][m.topic] = append(wanted[m.group][m.topic], m.partitions...)
		ask(latest, m.topic, m.partitions, sarama.OffsetNewest)
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	ends, err := a.ListOffsets(latest, nil)
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	lags := map[partition]int64{}
	for group, topics := range wanted {
		committed, err := a.ListConsumerGroupOffsets(group, topics)
		if err != nil {
			return nil, fmt.Errorf("list offsets of group %s: %w", group, err)
		}
		for topic, blocks := range committed.Blocks {
			for number, block := range blocks {
				if end := ends[topic][number]; end != nil && errors.Is(end.Err, sarama.ErrNoError) {
					lags[partition{group, topic, number}] = max(0, end.Offset-max(0, block.Offset))
				}
			}
		}
	}
	return lags, nil
}

func ask(into map[string]map[int32]int64, topic string, partitions []int32, at int64) {
	if into[topic] == nil {
		into[topic] = map[int32]int64{}
	}
	for _, p := range partitions {
		into[topic][p] = at
	}
}

// list reads which topics there are, unless it has done so a short while ago.
func (p *kafkaPart) list() error {
	if p.details != nil && time.Since(p.detail) < detailsEvery {
		return nil
	}
	details, err := p.admin.ListTopics()
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	p.details, p.detail = details, time.Now()
	return nil
}

// topicsOf lists the topics with their sizes.
func (p *kafkaPart) topicsOf(s Source) ([]sandbox.TopicInfo, error) {
	if err := p.list(); err != nil {
		return nil, err
	}
	earliest, latest := map[string]map[int32]int64{}, map[string]map[int32]int64{}
	for topic, d := range p.details {
		if strings.HasPrefix(topic, "__") || !strings.HasPrefix(topic, s.Prefix) {
			continue // Kafka's own, or another cluster's
		}
		for n := range d.NumPartitions {
			ask(earliest, topic, []int32{n}, sarama.OffsetOldest)
			ask(latest, topic, []int32{n}, sarama.OffsetNewest)
		}
	}
	first, err1 := p.admin.ListOffsets(earliest, nil)
	last, err2 := p.admin.ListOffsets(latest, nil)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	now := time.Now()
	infos := []sandbox.TopicInfo{}
	for topic := range latest {
		d := p.details[topic]
		info := sandbox.TopicInfo{
			Name: strings.TrimPrefix(topic, s.Prefix), Partitions: int(d.NumPartitions), Cleanup: "delete", Groups: []sandbox.Lag{},
		}
		if policy := d.ConfigEntries["cleanup.policy"]; policy != nil {
			info.Cleanup = *policy
		}
		var offsets int64
		for n := range d.NumPartitions {
			if f, l := first[topic][n], last[topic][n]; f != nil && l != nil {
				info.Records += max(0, l.Offset-f.Offset)
				offsets += l.Offset
			}
		}
		info.Rate = p.rates.next(topic, float64(offsets), now)
		infos = append(infos, info)
	}
	p.rates.keepOnly(now)
	slices.SortFunc(infos, func(a, b sandbox.TopicInfo) int { return cmp.Compare(a.Name, b.Name) })
	return infos, nil
}

// withGroups adds the groups that read the topics, and the rate at which the sandbox's workers send to them, if they do:
// offsets grow faster, as each transaction has one for its end too.
func withGroups(topics []sandbox.TopicInfo, edges []sandbox.Edge) []sandbox.TopicInfo {
	out := make([]sandbox.TopicInfo, 0, len(topics))
	for _, t := range topics {
		t.Groups = groupsOf(t.Name, edges)
		sent := 0.0
		for _, e := range edges {
			if e.Kind == sandbox.EdgeProduces && e.What == t.Name {
				sent += e.Rate
			}
		}
		if sent > 0 {
			t.Rate = sent
		}
		out = append(out, t)
	}
	return out
}

func groupsOf(topic string, edges []sandbox.Edge) []sandbox.Lag {
	groups := []sandbox.Lag{}
	for _, e := range edges {
		if e.What != topic || e.Kind != sandbox.EdgeConsumes {
			continue
		}
		i := slices.IndexFunc(groups, func(l sandbox.Lag) bool { return l.Group == e.Group })
		if i < 0 {
			groups = append(groups, sandbox.Lag{Group: e.Group})
			i = len(groups) - 1
		}
		groups[i].Records += e.Lag
		if !slices.Contains(groups[i].Nodes, e.From) {
			groups[i].Nodes = append(groups[i].Nodes, e.From)
		}
	}
	return groups
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

// Topics lists the topics with their sizes and readers.
func Topics(s Source) ([]sandbox.TopicInfo, error) {
	p := &kafkaPart{}
	defer p.close()
	keep, err := p.lookAt(s)
	if err != nil {
		return nil, err
	}
	keep()
	for i := range p.topics {
		p.topics[i].Rate = 0 // it takes two looks
	}
	return withGroups(p.topics, p.edges), nil
}

// TopicNames lists the topics, without prefix.
func TopicNames(s Source) ([]string, error) {
	client, err := sarama.NewClient(strings.Split(s.Brokers, ","), settings())
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka at %s: %w", s.Brokers, err)
	}
	defer client.Close()
	all, err := client.Topics()
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	var names []string
	for _, topic := range all {
		if name, ok := strings.CutPrefix(topic, s.Prefix); ok && !strings.HasPrefix(topic, "__") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
