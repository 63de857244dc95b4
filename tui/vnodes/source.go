package vnodes

import (
	"context"
	"sync"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/scenarios/attach"
	"github.com/cordage-sandbox/cordage/scenarios/run"
)

// Source is what the view needs of a supervisor.
type Source interface {
	Credentials(ctx context.Context) (sandbox.Credentials, error)
	Databases(ctx context.Context) ([]sandbox.DatabaseInfo, error)
	Rows(ctx context.Context, database, table string, p sandbox.Page) (sandbox.Rows, error)
}

// Cluster is what the view needs of the cluster's REST API; *client.REST is one.
type Cluster interface {
	VNodes(ctx context.Context) ([]client.VNode, error)
	CPIs(ctx context.Context) ([]client.CPI, error)
	CreateVNode(ctx context.Context, x500Name, cpiChecksum string) (requestID string, err error)
	VNodeStatus(ctx context.Context, requestID string) (client.VNodeStatus, error)
	UploadCPI(ctx context.Context, path string, progress func(sent int64)) (id string, err error)
	CPIStatus(ctx context.Context, id string) (client.CPIStatus, error)
	ImportCertificate(ctx context.Context, usage, alias, path string) error
}

// dial gives the cluster's REST API by way of the supervisor, which knows where it is. The client is kept while that
// stays the same, and with it its connection.
func dial(s Source) func(ctx context.Context) (Cluster, error) {
	var mu sync.Mutex
	var known sandbox.RESTCredentials
	var rest *client.REST
	return func(ctx context.Context) (Cluster, error) {
		c, err := s.Credentials(ctx)
		mu.Lock()
		defer mu.Unlock()
		if err != nil && rest != nil {
			return rest, nil // without its supervisor the cluster goes on
		}
		if err != nil {
			return nil, err
		}
		if rest == nil || c.REST != known {
			if rest, err = client.NewREST(c.REST); err != nil {
				return nil, err
			}
			known = c.REST
		}
		return rest, nil
	}
}

// buildDemo makes a small CPI in dir, signed with a key of its own, for those who have none yet.
func buildDemo(ctx context.Context, dir, name string) (file, certificate string, err error) {
	built, err := attach.BuildPackage(ctx, dir, run.CPI{Name: name, Content: "sample"})
	if err != nil {
		return "", "", err
	}
	file, _ = built["file"].(string)
	certificate, _ = built["certificate"].(string)
	return file, certificate, nil
}
