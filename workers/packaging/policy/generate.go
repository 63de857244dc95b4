package policy

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/cordage-sandbox/cordage/workers/ident"
)

// Class names that Corda 5.0 puts into policies.
const (
	staticRegistration    = "net.corda.membership.impl.registration.staticnetwork.StaticMemberRegistrationService"
	staticSynchronisation = "net.corda.membership.impl.sync.staticnetwork.StaticMemberSyncService"
	mgmRegistration       = "net.corda.membership.impl.registration.dynamic.mgm.MGMRegistrationService"
	mgmSynchronisation    = "net.corda.membership.impl.synchronisation.MgmSynchronisationServiceImpl"
)

// StaticMember is one member of a policy to be made.
type StaticMember struct {
	Name     string // X.500
	Status   string // ACTIVE if empty
	Endpoint string // URL of the member's gateway
	Protocol int    // 1 if zero
}

// StaticGroup says what the policy of a static group should hold.
type StaticGroup struct {
	GroupID    string // UUID
	Members    []StaticMember
	TrustRoots []string // PEM certificates, for sessions and TLS; at least one
}

// Text makes the policy, indented, with names in canonical form. Members that are listed twice and names that are not
// valid are refused.
func (g StaticGroup) Text() ([]byte, error) {
	seen := map[ident.Name]bool{}
	network := StaticNetwork{Members: []MemberTemplate{}}
	for _, m := range g.Members {
		name, err := ident.ParseName(m.Name)
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("make a group policy: member %s is listed twice", name)
		}
		seen[name] = true
		network.Members = append(network.Members, MemberTemplate{
			"name": name.String(), "memberStatus": orText(m.Status, "ACTIVE"),
			endpointURL + "1": m.Endpoint, endpointProtocol + "1": max(m.Protocol, 1),
		})
	}
	return write(&Policy{
		FileFormatVersion: Version, GroupID: g.GroupID,
		RegistrationProtocol: staticRegistration, SynchronisationProtocol: staticSynchronisation,
		ProtocolParameters: &Protocol{SessionKeyPolicy: "Combined", StaticNetwork: &network},
		P2P: &P2P{
			SessionPKI: "Standard", SessionTrustRoots: g.TrustRoots, TLSTrustRoots: g.TrustRoots, TLSPKI: "Standard",
			TLSVersion: "1.3", ProtocolMode: "Authenticated_Encryption", TLSType: "OneWay",
		},
		CipherSuite: map[string]string{"corda.provider": "default"},
	})
}

// MGMText makes the policy of an MGM.
func MGMText() ([]byte, error) {
	return write(&Policy{
		FileFormatVersion: Version, GroupID: CreateID,
		RegistrationProtocol: mgmRegistration, SynchronisationProtocol: mgmSynchronisation,
	})
}

// write checks a policy by its own text.
func write(p *Policy) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(p); err != nil {
		return nil, fmt.Errorf("make a group policy: %w", err)
	}
	parsed, err := Parse(b.Bytes())
	if err != nil {
		return nil, err
	}
	if len(parsed.Warnings) > 0 {
		return nil, fmt.Errorf("make a group policy: %s", parsed.Warnings[0])
	}
	return b.Bytes(), nil
}

func orText(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}
