package record

import "slices"

// Topic names, as in Corda 5.0. A request topic T of a request-and-reply pair has its replies on T.resp.
const (
	TopicConfig                = "config.topic"
	TopicConfigManagement      = "config.management.request"
	TopicPermissionManagement  = "rest.permissions.management"
	TopicUser                  = "rest.permissions.user"
	TopicGroup                 = "rest.permissions.group"
	TopicRole                  = "rest.permissions.role"
	TopicPermission            = "rest.permissions.permission"
	TopicUserPermissionSummary = "permissions.user.summary"

	TopicVirtualNodeInfo         = "virtual.node.info"
	TopicVirtualNodeAsyncRequest = "virtual.node.async.request"
	TopicVirtualNodeStatus       = "virtual.node.operation.status"
	TopicVirtualNodeManagement   = "virtual.node.creation.request"
	TopicCPIUpload               = "cpi.upload"
	TopicCPIUploadStatus         = "cpi.upload.status"
	TopicCPIInfo                 = "cpi.info"
	TopicCPKFile                 = "cpk.file"
	TopicCertificates            = "certificates.rpc.ops"

	TopicCryptoRPC       = "crypto.ops.rpc"
	TopicHSMRegistration = "crypto.hsm.rpc.registration"
	TopicUniquenessCheck = "uniqueness.check"
	TopicFlowEvent       = "flow.event"

	// TopicClock carries the setting of the sandbox's clock. It is Cordage's own.
	TopicClock = "cordage.clock"
)

// Reply is the topic on which the requests of a request-and-reply topic are answered.
func Reply(topic string) string { return topic + ".resp" }

// Topic is one topic that must exist before the first worker starts.
type Topic struct {
	Name      string
	Compacted bool
	Single    bool // has one partition, whatever number is asked for: its partitions are not shared out among workers
}

// compacted and plain are the topics of Corda 5.0's definition files, and Cordage's own.
var ( //nolint:gochecknoglobals // a table of constants
	compacted = []string{
		"avro.schema", TopicConfig, TopicUser, TopicGroup, TopicRole, TopicPermission, TopicUserPermissionSummary,
		TopicVirtualNodeInfo, TopicVirtualNodeStatus, TopicCPIInfo, TopicCPKFile,
		"flow.mapper.event.state", "flow.event.state", "flow.status", "services.token.event.state",
		"services.token.sync.event.state", "membership.members", "membership.group.params",
		"membership.db.async.ops.state", "membership.async.request.retries.state", "p2p.out.markers.state",
		"session.out.partitions", "p2p.hosted.identities", "gateway.tls.certs", "gateway.tls.truststores",
		"gateway.allowed.client.certificate.subjects", "p2p.mtls.member.client.certificate.subject",
		"p2p.mgm.allowed.client.certificate.subjects",
		// Not compacted in 5.0, although they are read as tables: their content would age out with broker retention.
		TopicCPIUploadStatus, "membership.registration.state",
		TopicClock,
	}
	plain = []string{
		TopicVirtualNodeAsyncRequest, TopicCPIUpload, "crypto.ops.flow", "persistence.entity.processor",
		"persistence.ledger.processor", TopicUniquenessCheck, "verification.ledger.processor", "flow.mapper.event",
		"flow.mapper.event.dlq", TopicFlowEvent, "flow.event.dlq", "services.token.event", "services.token.event.dlq",
		"services.token.sync.event", "services.token.sync.event.dlq", "membership.event", "membership.actions",
		"membership.registration", "membership.registration.dlq", "membership.db.async.ops", "membership.db.async.ops.dlq",
		"membership.async.request", "membership.async.request.retries", "membership.async.request.retries.dlq",
		"membership.sync", "p2p.out", "p2p.out.dlq", "p2p.in", "p2p.out.markers", "p2p.out.markers.dlq", "link.out",
		"link.in",
		// Dead letters of the durable subscriptions. 5.0 sends to T.dlq without making the topic.
		TopicVirtualNodeAsyncRequest + ".dlq", TopicCPIUpload + ".dlq", TopicUniquenessCheck + ".dlq",
	}
	// shared are the topics that groups of workers consume, so that their partitions bound how many share the work. All
	// others are read whole by everybody, or by nobody before their worker type is there. With one partition each they cost the
	// broker a third of its start and of every later one: it makes two files durable for each partition.
	shared = []string{
		TopicVirtualNodeAsyncRequest, TopicCPIUpload, TopicUniquenessCheck, TopicFlowEvent, TopicConfigManagement,
		TopicPermissionManagement, TopicVirtualNodeManagement, TopicCertificates, TopicCryptoRPC, TopicHSMRegistration,
	}
	requests = []string{
		TopicConfigManagement, TopicPermissionManagement, TopicVirtualNodeManagement, TopicCertificates, TopicCryptoRPC,
		TopicHSMRegistration, "membership.rpc.ops", "membership.db.rpc.ops", "gateway.revocation.request",
	}
)

// Topics lists every topic of a cluster, sorted by name.
func Topics() []Topic {
	var all []Topic
	for _, name := range compacted {
		all = append(all, Topic{Name: name, Compacted: true, Single: true})
	}
	for _, name := range plain {
		all = append(all, Topic{Name: name, Single: !slices.Contains(shared, name)})
	}
	for _, name := range requests {
		all = append(all, Topic{Name: name, Single: !slices.Contains(shared, name)}, Topic{Name: Reply(name), Single: true})
	}
	slices.SortFunc(all, func(a, b Topic) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

// Settings are the topic's settings on the broker, as in Corda 5.0's definition files; nil means the broker's defaults.
func (t Topic) Settings() map[string]string {
	if !t.Compacted {
		return nil
	}
	return map[string]string{
		"cleanup.policy":            "compact",
		"segment.ms":                "600000",
		"delete.retention.ms":       "300000",
		"min.compaction.lag.ms":     "60000",
		"max.compaction.lag.ms":     "604800000",
		"min.cleanable.dirty.ratio": "0.5",
	}
}
