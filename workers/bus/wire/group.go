package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// GroupConfig is a member of a consumer group that reads one topic.
type GroupConfig struct {
	Group string
	Topic string
	// Instance is the member's name, unique in the group. A process that joins under the name of one that was killed has
	// its partitions at once, and nobody else's work is disturbed. Empty: a new member each time.
	Instance string
}

// Member is a member of one generation of a group.
type Member struct {
	Group      string
	Generation int32
	ID         string
	Instance   string
}

func (m Member) instance() *string {
	if m.Instance == "" {
		return nil
	}
	return &m.Instance
}

const (
	// sessionTimeout is how long the coordinator waits for a heartbeat of a member before it takes its partitions away;
	// it is the least that brokers allow by default.
	sessionTimeout = 6 * time.Second
	// rebalanceTimeout is how long the others wait for a member that must give its partitions up.
	rebalanceTimeout = 45 * time.Second
	// A member hears of newcomers by its heartbeat. Members that are started together come within seconds.
	heartbeat      = time.Second
	firstHeartbeat = 100 * time.Millisecond
	firstPeriod    = 3 * time.Second

	protocolType = "consumer"
	protocolName = "cordage-sticky"
)

// member is a member of a group while it lives.
type member struct {
	k     *Cluster
	c     GroupConfig
	id    string  // given by the coordinator
	owned []int32 // at last
}

// RunGroup takes part in a group until ctx ends: it calls work, in a goroutine of its own, for each partition that it is
// given. See [Claim] for what work must do. It calls ready when work has said of each of the first partitions that it is
// ready, which may be none. An error of work that is not [ErrLost] or [ErrFenced] ends the membership.
func (k *Cluster) RunGroup(ctx context.Context, c GroupConfig, work func(context.Context, *Claim) error, ready func()) error {
	m := &member{k: k, c: c}
	defer m.leave(ctx)
	ready = sync.OnceFunc(ready)
	wait := newBackoff(10*time.Millisecond, time.Second)
	for {
		err := m.generation(ctx, work, ready)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrInstanceFenced):
			return fmt.Errorf("group %s, member %s: %w", c.Group, c.Instance, err)
		case errors.Is(err, ErrLost), errors.Is(err, ErrFenced):
			k.log.Info("join the group again", "group", c.Group, "reason", err)
			if !wait.sleep(ctx) {
				return nil
			}
		case err != nil:
			return err
		default:
			wait = newBackoff(10*time.Millisecond, time.Second)
		}
	}
}

// generation takes part in one generation of the group. It returns nil when the group rebalances.
func (m *member) generation(ctx context.Context, work func(context.Context, *Claim) error, ready func()) error {
	me, partitions, err := m.join(ctx)
	if err != nil {
		return err
	}
	m.owned = partitions
	return newSession(m.k, me, partitions).run(ctx, work, ready)
}

// join joins, and gives the partitions that this member has in the generation.
func (m *member) join(ctx context.Context) (Member, []int32, error) {
	if _, err := m.k.Partitions(ctx, m.c.Topic); err != nil {
		return Member{}, nil, err
	}
	me := Member{Group: m.c.Group, Instance: m.c.Instance}
	var joined *sarama.JoinGroupResponse
	err := m.coordinated(ctx, "join the group", func(b *sarama.Broker) (answer, transport error) {
		request, err := m.joinRequest()
		if err != nil {
			return err, nil
		}
		r, err := b.JoinGroup(request)
		if err != nil {
			return nil, err
		}
		switch r.Err {
		case sarama.ErrMemberIdRequired: // the coordinator wants to know a new member before it lets it in
			m.id = r.MemberId
			return errAgain, nil
		case sarama.ErrUnknownMemberId:
			m.id = ""
		}
		joined = r
		return code(r.Err), nil
	})
	if err != nil {
		return Member{}, nil, err
	}
	m.id, me.ID, me.Generation = joined.MemberId, joined.MemberId, joined.GenerationId

	request := &sarama.SyncGroupRequest{
		Version: 3, GroupId: me.Group, GenerationId: me.Generation, MemberId: me.ID, GroupInstanceId: me.instance(),
	}
	if joined.LeaderId == joined.MemberId {
		if err := m.plan(ctx, joined, request); err != nil {
			return Member{}, nil, err
		}
	}
	var partitions []int32
	err = m.coordinated(ctx, "take the group's plan", func(b *sarama.Broker) (answer, transport error) {
		r, err := b.SyncGroup(request)
		if err != nil {
			return nil, err
		}
		if err := code(r.Err); err != nil || len(r.MemberAssignment) == 0 {
			return err, nil
		}
		assignment, err := r.GetMemberAssignment()
		if err == nil {
			partitions = assignment.Topics[m.c.Topic]
		}
		return err, nil
	})
	return me, partitions, err
}

// errAgain makes a request be sent again at once.
var errAgain = errors.New("again")

func (m *member) coordinated(ctx context.Context, what string, f func(*sarama.Broker) (answer, transport error)) error {
	at := coordinatorKey{sarama.CoordinatorGroup, m.c.Group}
	return m.k.coordinatedWithin(ctx, readTimeout, what+" "+m.c.Group, at, // it answers when the other members have come
		func(b *sarama.Broker) (answer, transport error) {
			answer, transport = f(b)
			if errors.Is(answer, errAgain) {
				return f(b)
			}
			return answer, transport
		})
}

func (m *member) joinRequest() (*sarama.JoinGroupRequest, error) {
	r := &sarama.JoinGroupRequest{
		Version: 5, GroupId: m.c.Group, MemberId: m.id, ProtocolType: protocolType,
		SessionTimeout:   int32(sessionTimeout / time.Millisecond),
		RebalanceTimeout: int32(rebalanceTimeout / time.Millisecond),
	}
	if m.c.Instance != "" {
		r.GroupInstanceId = &m.c.Instance
	}
	metadata := &sarama.ConsumerGroupMemberMetadata{Version: 1, Topics: []string{m.c.Topic}}
	if len(m.owned) > 0 {
		metadata.OwnedPartitions = []*sarama.OwnedPartition{{Topic: m.c.Topic, Partitions: m.owned}}
	}
	return r, r.AddGroupProtocolMetadata(protocolName, metadata)
}

// plan makes the leader's plan for all members: each topic is spread over the members that read it.
func (m *member) plan(ctx context.Context, joined *sarama.JoinGroupResponse, to *sarama.SyncGroupRequest) error {
	members, err := joined.GetMembers()
	if err != nil {
		return fmt.Errorf("members of group %s: %w", m.c.Group, err)
	}
	owned := map[string]map[string][]int32{} // topic → member → partitions
	for id, metadata := range members {
		for _, topic := range metadata.Topics {
			if owned[topic] == nil {
				owned[topic] = map[string][]int32{}
			}
			owned[topic][id] = nil
			for _, o := range metadata.OwnedPartitions {
				if o.Topic == topic {
					owned[topic][id] = o.Partitions
				}
			}
		}
	}
	plans := map[string]map[string][]int32{} // member → topic → partitions
	for topic, of := range owned {
		n, err := m.k.Partitions(ctx, topic)
		if err != nil && topic == m.c.Topic {
			return err
		} // a topic that others read and that does not exist is their fault
		for id, partitions := range assign(n, of) {
			if plans[id] == nil {
				plans[id] = map[string][]int32{}
			}
			plans[id][topic] = partitions
		}
	}
	for id, topics := range plans {
		if err := to.AddGroupAssignmentMember(id, &sarama.ConsumerGroupMemberAssignment{Topics: topics}); err != nil {
			return fmt.Errorf("plan of group %s: %w", m.c.Group, err)
		}
	}
	return nil
}

// leaveTimeout bounds the farewell: without one the coordinator finds out by itself.
const leaveTimeout = time.Second

// leave tells the coordinator that the member is gone, so that the others get its partitions at once.
func (m *member) leave(ctx context.Context) {
	if m.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	id := sarama.MemberIdentity{MemberId: m.id}
	if m.c.Instance != "" {
		id.GroupInstanceId = &m.c.Instance
	}
	err := m.coordinated(ctx, "leave the group", func(b *sarama.Broker) (answer, transport error) {
		r, err := b.LeaveGroup(&sarama.LeaveGroupRequest{
			Version: 3, GroupId: m.c.Group, Members: []sarama.MemberIdentity{id},
		})
		if err != nil {
			return nil, err
		}
		return code(r.Err), nil
	})
	if err != nil {
		m.k.log.Debug("leave the group", "group", m.c.Group, "error", err)
	}
}
