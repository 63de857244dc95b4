package database

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/settings"
	"github.com/cordage-sandbox/cordage/workers/store"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
)

// maps are the compacted topics that the worker reads: what is published already, and what it works by.
type maps struct {
	sections    *bus.Compacted[record.Configuration]
	nodes       *bus.Compacted[record.VirtualNodeInfo]
	cpis        *bus.Compacted[record.CPIMetadata]
	cpks        *bus.Compacted[FileChunk]
	uploads     *bus.Compacted[record.UploadStatus]
	users       *bus.Compacted[record.User]
	groups      *bus.Compacted[record.Group]
	roles       *bus.Compacted[record.Role]
	permissions *bus.Compacted[record.Permission]
	summaries   *bus.Compacted[record.UserPermissionSummary]
}

// components are all that runs in the worker, in the order in which /status may show them.
func (r *resources) components() []role.Component {
	b, tel := r.bus, r.env.Telemetry
	m := maps{
		sections: bus.NewCompacted[record.Configuration](b, record.TopicConfig),
		nodes:    bus.NewCompacted[record.VirtualNodeInfo](b, record.TopicVirtualNodeInfo),
		cpis:     bus.NewCompacted[record.CPIMetadata](b, record.TopicCPIInfo),
		cpks:     bus.NewCompacted[FileChunk](b, record.TopicCPKFile),
		uploads:  bus.NewCompacted[record.UploadStatus](b, record.TopicCPIUploadStatus),

		users:       bus.NewCompacted[record.User](b, record.TopicUser),
		groups:      bus.NewCompacted[record.Group](b, record.TopicGroup),
		roles:       bus.NewCompacted[record.Role](b, record.TopicRole),
		permissions: bus.NewCompacted[record.Permission](b, record.TopicPermission),
		summaries:   bus.NewCompacted[record.UserPermissionSummary](b, record.TopicUserPermissionSummary),
	}
	all := []role.Component{{Name: databaseComponent, Run: store.Watch(r.config, "config database", tel.Status.Component(databaseComponent))}}
	configured := newGate()
	defer r.wakeWhenConfigured(m.sections)
	all = append(all, r.configuration(m, configured)...)
	all = append(all, r.permissions(m)...)
	all = append(all, r.packages(m, configured)...)
	return append(all, r.nodes(m, configured)...)
}

// gate is closed until something that others wait for is there.
type gate chan struct{}

func newGate() gate { return make(gate) }

// opened gives a ready function that opens the gate too.
func (g gate) opened(ready func()) func() {
	open := sync.OnceFunc(func() { close(g) }) // ready may be called again
	return func() {
		open()
		ready()
	}
}

// behind gives a component that is started when the gate is open.
func (g gate) behind(run func(ctx context.Context, ready func()) error) func(ctx context.Context, ready func()) error {
	return func(ctx context.Context, ready func()) error {
		select {
		case <-g:
			return run(ctx, ready)
		case <-ctx.Done():
			return nil
		}
	}
}

// inTurn runs both; the second is started when the first is ready, and both are ready when the second is.
func inTurn(first, second func(ctx context.Context, ready func()) error) func(ctx context.Context, ready func()) error {
	return func(ctx context.Context, ready func()) error {
		g := newGate()
		work, ctx := errgroup.WithContext(ctx)
		work.Go(func() error { return first(ctx, g.opened(func() {})) })
		work.Go(func() error { return g.behind(second)(ctx, ready) })
		return work.Wait()
	}
}

// reconcile is the component that keeps a topic in line with the database: its map, then its reconciler.
func reconcile[V any](r *resources, c reconciler[V]) role.Component {
	c.name = "reconcile " + c.topic
	c.wake = newWake()
	r.wakes = append(r.wakes, c.wake)
	c.publisher, c.log, c.status = r.publisher, r.env.Telemetry.Log, r.env.Telemetry.Status.Component(c.name)
	return role.Component{Name: c.name, Run: inTurn(c.published.Run, c.Run)}
}

// configuration: the sections of the configuration, and who changes them.
func (r *resources) configuration(m maps, configured gate) []role.Component {
	tel := r.env.Telemetry
	c := &configuration{config: r.config, secrets: r.secrets, publisher: r.publisher, clock: r.env.Clock, log: tel.Log}
	responder := bus.NewResponder(r.bus, record.TopicConfigManagement, "config.management-responder", c.handle)
	topic := reconcile(r, reconciler[record.Configuration]{topic: record.TopicConfig, published: m.sections, entries: c.entries,
		interval: r.every(m, func(s settings.Reconciliation) time.Duration { return s.Config })})
	run := topic.Run
	topic.Run = func(ctx context.Context, ready func()) error { return run(ctx, configured.opened(ready)) }
	return []role.Component{topic, {Name: "config management", Run: responder.Run}}
}

// permissions: users, and what they may do.
func (r *resources) permissions(m maps) []role.Component {
	p := &permissions{rbac: r.rbac, clock: r.env.Clock}
	every := r.every(m, func(s settings.Reconciliation) time.Duration { return s.PermissionSummary })
	return []role.Component{
		reconcile(r, reconciler[record.User]{topic: record.TopicUser, published: m.users, exclusive: true, interval: every,
			entries: rbacEntries(p, func(s rbacState) []record.User { return s.users }, func(u record.User) string { return userKey(u.LoginName) })}),
		reconcile(r, reconciler[record.Group]{topic: record.TopicGroup, published: m.groups, exclusive: true, interval: every,
			entries: rbacEntries(p, func(s rbacState) []record.Group { return s.groups }, func(g record.Group) string { return g.ID })}),
		reconcile(r, reconciler[record.Role]{topic: record.TopicRole, published: m.roles, exclusive: true, interval: every,
			entries: rbacEntries(p, func(s rbacState) []record.Role { return s.roles }, func(o record.Role) string { return o.ID })}),
		reconcile(r, reconciler[record.Permission]{topic: record.TopicPermission, published: m.permissions, exclusive: true, interval: every,
			entries: rbacEntries(p, func(s rbacState) []record.Permission { return s.permissions }, func(p record.Permission) string { return p.ID })}),
		reconcile(r, reconciler[record.UserPermissionSummary]{topic: record.TopicUserPermissionSummary, published: m.summaries,
			exclusive: true, interval: every, entries: p.summaryEntries}),
	}
}

// packages: CPIs, from the upload to their CPKs on the bus, and the certificates that they are trusted by.
func (r *resources) packages(m maps, configured gate) []role.Component {
	tel := r.env.Telemetry
	wakeCPKs, wakeSweeper := newWake(), newWake()
	u := &uploads{config: r.config, secrets: r.secrets, publisher: r.publisher, sections: m.sections,
		stored: func() { wakeUp(wakeCPKs) }, clock: r.env.Clock, log: tel.Log, tracer: tel.Tracer}
	sub := r.bus.Durable(bus.DurableConfig{Group: "cpi.chunk.writer", Topic: record.TopicCPIUpload,
		MaxBatch: uploadBatch, Patience: forEver}, u.handle)
	s := &sweeper{config: r.config, statuses: m.uploads, wake: wakeSweeper, clock: r.env.Clock, log: tel.Log}
	s.watch()
	c := &certificates{config: r.config}
	responder := bus.NewResponder(r.bus, record.TopicCertificates, "membership.certificates.service-responder", c.handle)
	const cpkName = "publish " + record.TopicCPKFile
	r.wakes = append(r.wakes, wakeCPKs)
	cpks := &cpkPublisher{config: r.config, published: m.cpks, publisher: r.publisher, wake: wakeCPKs,
		partSize: partSize(r.env.Boot.Bus.MaxMessageBytes), log: tel.Log, status: tel.Status.Component(cpkName),
		interval: r.every(m, func(s settings.Reconciliation) time.Duration { return s.CPKWrite })}
	return []role.Component{
		{Name: "certificates", Run: responder.Run},
		{Name: "cpi upload", Run: configured.behind(sub.Run)},
		{Name: "cpi upload sweeper", Run: inTurn(m.uploads.Run, s.Run)},
		reconcile(r, reconciler[record.CPIMetadata]{topic: record.TopicCPIInfo, published: m.cpis, entries: cpiEntries(r.config),
			interval: r.every(m, func(s settings.Reconciliation) time.Duration { return s.CPIInfo })}),
		{Name: cpkName, Run: inTurn(m.cpks.Run, cpks.Run)},
	}
}

// forEver is the patience of the subscriptions: what fails in them is a server that is away.
const forEver = 365 * 24 * time.Hour

// nodes: virtual nodes and their uniqueness checks.
func (r *resources) nodes(m maps, configured gate) []role.Component {
	tel := r.env.Telemetry
	hsm := bus.NewCaller[record.HSMRegistrationRequest, record.HSMRegistrationResponse](
		r.bus, record.TopicHSMRegistration, "crypto.hsm.registration.client", bus.CallerOptions{Timeout: wrappingKeyAttempt})
	v := &virtualNodes{
		creator: &creator{config: r.creation, databases: r.databases, secrets: r.secrets, publisher: r.publisher, hsm: hsm,
			sections: m.sections, clock: r.env.Clock, log: tel.Log},
		publisher: r.publisher, clock: r.env.Clock, log: tel.Log, tracer: tel.Tracer, limit: semaphore.NewWeighted(concurrentCreations),
	}
	creation := r.bus.Durable(bus.DurableConfig{Group: "virtual.node.async.operation.group", Topic: record.TopicVirtualNodeAsyncRequest,
		MaxBatch: creationBatch, Patience: forEver}, v.handle)

	known := newGate()
	topic := reconcile(r, reconciler[record.VirtualNodeInfo]{topic: record.TopicVirtualNodeInfo, published: m.nodes, entries: nodeEntries(r.config),
		interval: r.every(m, func(s settings.Reconciliation) time.Duration { return s.VirtualNodeInfo })})
	run := topic.Run
	topic.Run = func(ctx context.Context, ready func()) error { return run(ctx, known.opened(ready)) }

	stores := &nodeStores{nodes: m.nodes, config: r.config, databases: r.databases}
	host := &uniquenessHost{stores: stores, clock: r.env.Clock, log: tel.Log, checker: uniqueness.New(uniqueness.Config{
		Stores: stores, Clock: r.env.Clock, Chance: r.env.Chance, Log: tel.Log, Metrics: tel.Metrics, Tracer: tel.Tracer})}
	checks := r.bus.Durable(bus.DurableConfig{Group: "uniqueness.checker", Topic: record.TopicUniquenessCheck, Patience: forEver}, host.handle)
	return []role.Component{
		topic,
		{Name: "crypto client", Run: hsm.Run},
		{Name: "virtual node creation", Run: configured.behind(func(ctx context.Context, ready func()) error {
			v.creator.stopping = ctx.Done()
			return creation.Run(ctx, ready)
		})},
		{Name: "uniqueness checker", Run: known.behind(func(ctx context.Context, ready func()) error {
			host.stopping = ctx.Done()
			return checks.Run(ctx, ready)
		})},
	}
}

// wakeWhenConfigured lets a change of the intervals take effect at once.
func (r *resources) wakeWhenConfigured(sections *bus.Compacted[record.Configuration]) {
	sections.OnChange(func(_ context.Context, section string, old, _ *record.Configuration) {
		if section == settings.SectionReconciliation && old != nil {
			for _, wake := range r.wakes {
				wakeUp(wake)
			}
		}
	})
}

// every reads an interval of reconciliation from the configuration, each time anew.
func (r *resources) every(m maps, pick func(settings.Reconciliation) time.Duration) func() time.Duration {
	return func() time.Duration {
		section, _ := m.sections.Get(settings.SectionReconciliation)
		intervals, err := settings.ReadReconciliation(section.Value)
		if err != nil {
			r.env.Telemetry.Log.Error("the configuration of reconciliation cannot be used", "version", section.Version, "error", err)
		}
		return pick(intervals)
	}
}
