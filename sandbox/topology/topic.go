package topology

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/cordage-sandbox/cordage/sandbox"
)

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
