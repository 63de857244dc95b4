package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/fixtures/cpi"
	"github.com/cordage-sandbox/cordage/fixtures/policy"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/store"

	"github.com/jackc/pgx/v5/pgxpool"
)

// burst is how many virtual nodes are asked for at once.
const burst = 50

// measureVNodes creates virtual nodes over the REST API, one by one and many at once, and in turns with that makes only
// their databases, by the same statements on the same PostgreSQL.
func measureVNodes(ctx context.Context, b *bench, s *section) error {
	r, err := b.up(ctx)
	if err != nil {
		return err
	}
	if err := b.upload(ctx, r); err != nil {
		return err
	}
	d, err := newDDL(ctx, r)
	if err != nil {
		return err
	}
	defer d.pool.Close()
	one, alone := &sample{unit: "ms"}, &sample{unit: "ms"}
	for range b.pick(20, 2) {
		took, err := elapsed(func() error { _, err := b.create(ctx, r, 5*time.Millisecond); return err })
		if err != nil {
			return err
		}
		one.add(milliseconds(took))
		if took, err = elapsed(func() error { return d.make(ctx, 1, 1) }); err != nil {
			return err
		}
		alone.add(milliseconds(took))
	}
	many := &sample{unit: "/s"}
	direct := map[int]*sample{1: {unit: "/s"}, 2: {unit: "/s"}, 4: {unit: "/s"}}
	n := b.pick(burst, 5)
	for range b.pick(5, 1) {
		took, err := elapsed(func() error { return b.createAtOnce(ctx, r, n) })
		if err != nil {
			return err
		}
		many.add(float64(n) / took.Seconds())
		for connections, v := range direct {
			if took, err = elapsed(func() error { return d.make(ctx, n, connections) }); err != nil {
				return err
			}
			v.add(float64(n) / took.Seconds())
		}
	}
	best, connections := bestOf(direct)
	s.plain("databases of one virtual node, by SQL alone", alone, "1 ×")
	s.plain("one virtual node: POST to SUCCEEDED", one, times(one.median()/alone.median())+" the SQL")
	s.plain(fmt.Sprintf("databases of %d, by SQL alone on %d connections (best of 1, 2, 4)", n, connections), best, "1 ×")
	s.plain(fmt.Sprintf("%d virtual nodes at once: first POST to last SUCCEEDED", n), many, times(many.median()/best.median())+" the SQL")
	return nil
}

func elapsed(do func() error) (time.Duration, error) {
	began := time.Now()
	err := do()
	return time.Since(began), err
}

// bestOf is the sample with the highest median, and its key.
func bestOf(all map[int]*sample) (best *sample, key int) {
	for k, v := range all {
		if best == nil || v.median() > best.median() {
			best, key = v, k
		}
	}
	return best, key
}

// upload uploads a CPI of which virtual nodes can be made, unless that is done.
func (b *bench) upload(ctx context.Context, r *running) error {
	if b.cpi != "" {
		return nil
	}
	p, err := cpi.Spec{Name: "bench"}.Build(ctx)
	if err != nil {
		return fmt.Errorf("build a CPI: %w", err)
	}
	file, pem := filepath.Join(b.dir, "bench.cpi"), filepath.Join(b.dir, "signer.pem")
	for path, text := range map[string][]byte{file: p.Bytes, pem: cert.PEM(p.Trust...)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	if err := r.rest.ImportCertificate(ctx, "code-signer", "bench", pem); err != nil {
		return err
	}
	id, err := r.rest.UploadCPI(ctx, file, nil)
	if err != nil {
		return err
	}
	return poll(ctx, 20*time.Millisecond, "the upload of a CPI", func() (bool, error) {
		status, err := r.rest.CPIStatus(ctx, id)
		b.cpi = status.Checksum
		return status.Status == "OK", err
	})
}

// create makes one virtual node and returns when its status is SUCCEEDED.
func (b *bench) create(ctx context.Context, r *running, every time.Duration) (ident.HoldingIdentity, error) {
	b.nodes++
	return b.createNamed(ctx, r, b.nodes, every)
}

func (b *bench) createNamed(ctx context.Context, r *running, number int, every time.Duration) (ident.HoldingIdentity, error) {
	text := fmt.Sprintf("O=Bench %d, L=London, C=GB", number)
	name, err := ident.ParseName(text)
	if err != nil {
		return ident.HoldingIdentity{}, err
	}
	id, err := r.rest.CreateVNode(ctx, text, b.cpi)
	if err != nil {
		return ident.HoldingIdentity{}, err
	}
	return ident.NewHoldingIdentity(name, policy.SampleGroupID), poll(ctx, every, "the creation of "+text, func() (bool, error) {
		status, err := r.rest.VNodeStatus(ctx, id)
		if err == nil && (status.Status == "FAILED" || status.Status == "ABORTED") {
			why := ""
			if status.Error != nil {
				why = *status.Error
			}
			err = fmt.Errorf("the creation of %s ended %s: %s", text, status.Status, why)
		}
		return status.Status == "SUCCEEDED", err
	})
}

func (b *bench) createAtOnce(ctx context.Context, r *running, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range n {
		g.Go(func() error {
			_, err := b.createNamed(ctx, r, b.nodes+1+i, 50*time.Millisecond)
			return err
		})
	}
	err := g.Wait()
	b.nodes += n
	return err
}

// ddl makes the databases of virtual nodes as the database worker does, and nothing else.
type ddl struct {
	pool    *pgxpool.Pool
	admin   store.Connection
	secrets *keys.Secrets
}

func newDDL(ctx context.Context, r *running) (*ddl, error) {
	d := &ddl{admin: r.postgres("", 4)}
	var err error
	if d.secrets, err = keys.NewSecrets(rand.Text(), rand.Text()); err != nil {
		return nil, err
	}
	d.pool, err = store.Open(ctx, d.admin, "bench")
	return d, err
}

// make makes the databases of n virtual nodes on that many connections.
func (d *ddl) make(ctx context.Context, n, connections int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(connections)
	for range n {
		var id [6]byte
		_, _ = rand.Read(id[:]) // never fails
		hash := ident.ShortHash(strings.ToUpper(hex.EncodeToString(id[:])))
		g.Go(func() error {
			_, err := store.ProvisionNode(ctx, d.pool, d.admin, d.secrets, hash, store.NodeKinds()...)
			return err
		})
	}
	return g.Wait()
}
