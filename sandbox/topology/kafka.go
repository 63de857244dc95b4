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

// admin opens a connection to the broker. It is closed when ctx ends, which unblocks whoever uses it.
func admin(ctx context.Context, brokers string) (sarama.ClusterAdmin, func(), error) {
	config := sarama.NewConfig()
	config.ClientID, config.Version = "cordage-topology", sarama.V3_2_0_0
	limit := observeLimit
	if deadline, ok := ctx.Deadline(); ok {
		limit = max(time.Millisecond, time.Until(deadline))
	}
	config.Net.DialTimeout, config.Net.ReadTimeout, config.Net.WriteTimeout = limit, limit, limit
	config.Metadata.Retry.Max, config.Admin.Retry.Max = 0, 0
	a, err := sarama.NewClusterAdmin(strings.Split(brokers, ","), config)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to Kafka at %s: %w", brokers, err)
	}
	return a, func() { _ = a.Close() }, nil
}

// member is a node's share of a topic in a group.
type member struct {
	group, node, topic string
	partitions         []int32
}

// consumers observes who consumes which topic, and how far behind it is.
func consumers(ctx context.Context, s Source) ([]sandbox.Edge, error) {
	a, done, err := admin(ctx, s.Brokers)
	if err != nil {
		return nil, err
	}
	defer done()
	members, err := groupMembers(a, s.Nodes)
	if err != nil {
		return nil, err
	}
	lags, err := lagOf(a, members)
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

// Topics lists the topics with their sizes and readers.
func Topics(ctx context.Context, s Source) ([]sandbox.TopicInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, observeLimit)
	defer cancel()
	a, done, err := admin(ctx, s.Brokers)
	if err != nil {
		return nil, err
	}
	defer done()
	details, err := a.ListTopics()
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	earliest, latest := map[string]map[int32]int64{}, map[string]map[int32]int64{}
	for topic, d := range details {
		for p := range d.NumPartitions {
			ask(earliest, topic, []int32{p}, sarama.OffsetOldest)
			ask(latest, topic, []int32{p}, sarama.OffsetNewest)
		}
	}
	first, err1 := a.ListOffsets(earliest, nil)
	last, err2 := a.ListOffsets(latest, nil)
	edges, err3 := consumers(ctx, s)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	infos := []sandbox.TopicInfo{}
	for topic, d := range details {
		if strings.HasPrefix(topic, "__") || !strings.HasPrefix(topic, s.Prefix) {
			continue // Kafka's own, or another cluster's
		}
		info := sandbox.TopicInfo{
			Name: strings.TrimPrefix(topic, s.Prefix), Partitions: int(d.NumPartitions), Cleanup: "delete", Groups: []sandbox.Lag{},
		}
		if policy := d.ConfigEntries["cleanup.policy"]; policy != nil {
			info.Cleanup = *policy
		}
		for p := range d.NumPartitions {
			if f, l := first[topic][p], last[topic][p]; f != nil && l != nil {
				info.Records += max(0, l.Offset-f.Offset)
			}
		}
		info.Groups = groupsOf(info.Name, edges)
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b sandbox.TopicInfo) int { return cmp.Compare(a.Name, b.Name) })
	return infos, nil
}

func groupsOf(topic string, edges []sandbox.Edge) []sandbox.Lag {
	groups := []sandbox.Lag{}
	for _, e := range edges {
		if e.What != topic {
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
