package topology

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/IBM/sarama"

	"github.com/cordage-sandbox/cordage/sandbox"
)

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
