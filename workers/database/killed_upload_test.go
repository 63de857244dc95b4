package database_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/fixtures/cpi"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// Workers are killed at random while CPIs come in, good and bad ones: each upload ends once and rightly, and nothing of
// it is left over.
func TestUploadWhileWorkersDie(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()
	c := cluster.New(t)
	k := newClient(t, c)
	killers := []*killer{newKiller(c, role.Database, c.Spawn(t, role.Database)), newKiller(c, role.Database, c.Spawn(t, role.Database))}
	k.stored(t)                           // its signer is trusted from now on
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // a seed
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // chance

	const uploads = 16
	want := map[string]string{} // checksum by request; empty: it must be refused
	for n := range uploads {
		spec := cpi.Spec{GroupID: uuid.NewString(), Name: fmt.Sprintf("killed %d", n)}
		if n%4 == 3 {
			spec.Damage = cpi.Altered
		}
		p, err := spec.Build(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		request := uuid.NewString()
		want[request] = p.Checksum
		if spec.Damage != "" {
			want[request] = ""
		}
		for _, m := range chunks(request, "test.cpi", p.Bytes, 2_000) {
			k.publish(t, m)
		}
		if n%2 == 0 {
			killers[chance.IntN(len(killers))].kill(t)
		}
	}
	for request, checksum := range want {
		s := k.uploaded(t, request)
		if s.Complete != (checksum != "") || s.Checksum != checksum {
			t.Errorf("an upload ended as %+v, want checksum %q", s, checksum)
		}
		if checksum == "" && s.Failure.Type != record.FailureInvalidCPI {
			t.Errorf("a damaged CPI ended as %+v, want it refused", s.Failure)
		}
	}
	db := c.Superuser(t)
	cluster.Eventually(t, limit, func() error {
		var stored, parts, properties int
		err := db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM config.cpi), (SELECT count(*) FROM config.file_upload),
			(SELECT count(*) FROM config.file_upload_props)`).Scan(&stored, &parts, &properties)
		if err == nil && (stored != 1+uploads*3/4 || parts != 0 || properties != 0) {
			err = fmt.Errorf("%d CPIs are stored, %d parts and %d properties are left over", stored, parts, properties)
		}
		return err
	})
}

// What cannot be read goes to the dead letters, as it is, and those behind it are worked on.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	k := newClient(t, c)
	for _, topic := range []string{record.TopicVirtualNodeAsyncRequest, record.TopicCPIUpload, record.TopicUniquenessCheck} {
		k.publish(t, bus.Message{Topic: topic, Key: "unread", Value: record.Clock{Timestamp: time.Unix(1, 0)}},
			bus.Message{Topic: topic, Key: "tombstone"})
		cluster.Eventually(t, limit, func() error {
			letters := c.Records(t, topic+".dlq")
			for _, part := range []string{"unread", "tombstone", "1970-01-01"} {
				if !bytes.Contains(letters, []byte(part)) {
					return fmt.Errorf("%q is not among the dead letters of %s", part, topic)
				}
			}
			return nil
		})
	}
	p := k.stored(t)
	q := creation(node(t, p.GroupID, 1), "0")
	k.publish(t, request(q))
	if s := k.ended(t, q)[q.RequestID]; s.State != record.OperationValidationFailed {
		t.Errorf("ended as %s, want it refused", s.State)
	}
}
