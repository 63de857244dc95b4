package rest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// cluster is the rest of the cluster as this worker sees it: compacted topics as tables, and ways to ask for changes.
type cluster struct {
	users     *bus.Compacted[record.User]
	summaries *bus.Compacted[record.UserPermissionSummary]
	sections  *bus.Compacted[record.Configuration]
	cpis      *bus.Compacted[record.CPIMetadata]
	nodes     *bus.Compacted[record.VirtualNodeInfo]
	statuses  *bus.Compacted[record.VirtualNodeOperationStatus]
	uploads   *bus.Compacted[record.UploadStatus]

	cpisByChecksum   *index[record.CPIMetadata]     // the first 12 digits
	nodesByHash      *index[record.VirtualNodeInfo] // short hash
	uploadsByRequest *index[record.UploadStatus]

	requests *bus.Publisher // of virtual nodes
	chunks   *bus.Publisher // of CPIs; apart, so that a large upload holds nothing up

	config       *bus.Caller[record.ConfigurationManagementRequest, record.ConfigurationManagementResponse]
	certificates *bus.Caller[record.CertificateRequest, record.CertificateResponse]
}

// Groups of the callers, as in Corda 5.0.
const (
	groupConfig       = "config.management"
	groupCertificates = "membership.db.certificates.client.group"
)

func newCluster(ctx context.Context, b *bus.Bus) (*cluster, error) {
	callers := bus.CallerOptions{Timeout: time.Hour} // each call has the limit of the configuration, which may change
	c := &cluster{
		users:     bus.NewCompacted[record.User](b, record.TopicUser),
		summaries: bus.NewCompacted[record.UserPermissionSummary](b, record.TopicUserPermissionSummary),
		sections:  bus.NewCompacted[record.Configuration](b, record.TopicConfig),
		cpis:      bus.NewCompacted[record.CPIMetadata](b, record.TopicCPIInfo),
		nodes:     bus.NewCompacted[record.VirtualNodeInfo](b, record.TopicVirtualNodeInfo),
		statuses:  bus.NewCompacted[record.VirtualNodeOperationStatus](b, record.TopicVirtualNodeStatus),
		uploads:   bus.NewCompacted[record.UploadStatus](b, record.TopicCPIUploadStatus),
		config: bus.NewCaller[record.ConfigurationManagementRequest, record.ConfigurationManagementResponse](
			b, record.TopicConfigManagement, groupConfig, callers),
		certificates: bus.NewCaller[record.CertificateRequest, record.CertificateResponse](
			b, record.TopicCertificates, groupCertificates, callers),
	}
	c.cpisByChecksum = indexBy(c.cpis, func(m record.CPIMetadata) string { return shortChecksum(m.Hash) })
	c.nodesByHash = indexBy(c.nodes, func(n record.VirtualNodeInfo) string { return string(n.HoldingIdentity.ShortHash()) })
	c.uploadsByRequest = indexBy(c.uploads, func(u record.UploadStatus) string { return u.Key.RequestID })

	var err error
	if c.requests, err = b.NewPublisher(ctx, "virtual.node.requests"); err != nil {
		return nil, fmt.Errorf("publish requests for virtual nodes: %w", err)
	}
	if c.chunks, err = b.NewPublisher(ctx, "cpi.uploader.rpc"); err != nil {
		c.close()
		return nil, fmt.Errorf("publish uploads: %w", err)
	}
	return c, nil
}

func (c *cluster) close() {
	for _, p := range []*bus.Publisher{c.requests, c.chunks} {
		if p != nil {
			p.Close() // nothing is in hand any more
		}
	}
}

// components are the parts of the cluster's view that run.
func (c *cluster) components() []role.Component {
	return []role.Component{
		{Name: "users", Run: c.users.Run},
		{Name: "permissions", Run: c.summaries.Run},
		{Name: "configuration", Run: c.sections.Run},
		{Name: "cpis", Run: c.cpis.Run},
		{Name: "virtual nodes", Run: c.nodes.Run},
		{Name: "virtual node operations", Run: c.statuses.Run},
		{Name: "cpi uploads", Run: c.uploads.Run},
		{Name: "configuration requests", Run: c.config.Run},
		{Name: "certificate requests", Run: c.certificates.Run},
	}
}

// awaitLogon waits until somebody can log on: before the database worker has published users, a REST API is of no use.
func (c *cluster) awaitLogon(ctx context.Context) error {
	if err := c.users.Await(ctx, func(all map[string]record.User) bool { return len(all) > 0 }); err != nil {
		return err
	}
	return c.summaries.Await(ctx, func(all map[string]record.UserPermissionSummary) bool { return len(all) > 0 })
}

// User and Summary make the cluster the directory of package access.
func (c *cluster) User(login string) (record.User, bool) { return c.users.Get(login) }

// Summary is what a user may do.
func (c *cluster) Summary(login string) (record.UserPermissionSummary, bool) {
	return c.summaries.Get(login)
}

// lookAgain is how long a read waits for something that it does not know yet: what another replica has accepted a moment
// ago is on its way here.
const lookAgain = 250 * time.Millisecond

// index has the values of a compacted topic by something other than their key.
type index[V any] struct {
	mu sync.RWMutex
	by map[string]map[string]V // second key → key → value
}

// indexBy begins an index; it must be called before the topic is read.
func indexBy[V any](c *bus.Compacted[V], second func(V) string) *index[V] {
	x := &index[V]{by: map[string]map[string]V{}}
	c.OnChange(func(_ context.Context, key string, old, now *V) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if old != nil {
			s := second(*old)
			if delete(x.by[s], key); len(x.by[s]) == 0 {
				delete(x.by, s)
			}
		}
		if now != nil {
			s := second(*now)
			if x.by[s] == nil {
				x.by[s] = map[string]V{}
			}
			x.by[s][key] = *now
		}
	})
	return x
}

// find gives the values of a second key, in the order of their keys.
func (x *index[V]) find(second string) []V {
	x.mu.RLock()
	defer x.mu.RUnlock()
	entries := x.by[second]
	keys := make([]string, 0, len(entries))
	for key := range entries {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	values := make([]V, 0, len(keys))
	for _, key := range keys {
		values = append(values, entries[key])
	}
	return values
}

// shortChecksum is the first 12 hex digits of ALGORITHM:HEX.
func shortChecksum(hash string) string {
	_, hex, _ := strings.Cut(hash, ":")
	return hex[:min(12, len(hex))]
}

// fullChecksum is the hex digits of ALGORITHM:HEX.
func fullChecksum(hash string) string {
	_, hex, _ := strings.Cut(hash, ":")
	return hex
}
