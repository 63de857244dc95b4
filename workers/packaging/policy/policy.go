// Package policy reads, checks and makes group policies, file format version 1: the rules of a membership group that
// every CPI carries.
//
// For workers/packaging, and for workers and commands that need to know what a policy says.
package policy

import (
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/schema"
)

//go:embed schemas/group-policy-1.json
var schemaV1 []byte

// CreateID is the group id in the policy of an MGM, which makes the group.
const CreateID = "CREATE_ID"

// Version is the file format version that can be read.
const Version = 1

// Kind tells how members come into the group.
type Kind string

// The kinds of groups.
const (
	Static Kind = "static" // the policy lists the members
	Member Kind = "member" // members register with an MGM
	MGM    Kind = "mgm"    // of the membership group manager itself
)

// Policy is a checked group policy.
type Policy struct {
	Kind                    Kind              `json:"-"`
	FileFormatVersion       int               `json:"fileFormatVersion"`
	GroupID                 string            `json:"groupId"`
	RegistrationProtocol    string            `json:"registrationProtocol"`    // class name
	SynchronisationProtocol string            `json:"synchronisationProtocol"` // class name
	ProtocolParameters      *Protocol         `json:"protocolParameters,omitempty"`
	P2P                     *P2P              `json:"p2pParameters,omitempty"`
	MGMInfo                 map[string]string `json:"mgmInfo,omitempty"`
	CipherSuite             map[string]string `json:"cipherSuite,omitempty"`
	Warnings                []string          `json:"-"` // what a member would stumble over when it registers
}

// Protocol holds protocolParameters.
type Protocol struct {
	SessionKeyPolicy string         `json:"sessionKeyPolicy,omitempty"` // Combined or Distinct, in any letter case
	StaticNetwork    *StaticNetwork `json:"staticNetwork,omitempty"`
}

// StaticNetwork lists the members that a static group may have.
type StaticNetwork struct {
	Members []MemberTemplate `json:"members"`
}

// MemberTemplate is what a static group's policy says of one member: name, memberStatus, endpointUrl-N, endpointProtocol-N,
// serial, modifiedTime and whatever else.
type MemberTemplate map[string]any

// Name is the X.500 name as it is written, "" without one.
func (m MemberTemplate) Name() string {
	s, _ := m["name"].(string)
	return s
}

// P2P holds p2pParameters.
type P2P struct {
	SessionPKI        string   `json:"sessionPki"` // Standard, StandardEV3, Corda4 or NoPKI
	SessionTrustRoots []string `json:"sessionTrustRoots,omitempty"`
	TLSTrustRoots     []string `json:"tlsTrustRoots"` // PEM
	TLSPKI            string   `json:"tlsPki"`        // Standard, StandardEV3 or Corda4
	TLSVersion        string   `json:"tlsVersion"`    // 1.2 or 1.3
	ProtocolMode      string   `json:"protocolMode"`  // Authentication or Authenticated_Encryption
	TLSType           string   `json:"tlsType"`       // OneWay or Mutual
	MGMClientSubject  string   `json:"mtlsMgmClientCertificateSubject,omitempty"`
}

// ClusterTLSType is the word that the gateway's configuration, sslConfig.tlsType, has for the policy's tlsType; the two
// must agree. It is "" for an MGM's policy, which has none.
func (p *Policy) ClusterTLSType() string {
	switch {
	case p.P2P == nil:
		return ""
	case p.P2P.TLSType == "Mutual":
		return "MUTUAL"
	default:
		return "ONE_WAY"
	}
}

// Parse reads the group policy of a CPI that is uploaded. Errors are [*fault.Error] and list every fault.
//
// Source: Corda 5.0, corda.group.policy.json version 1 and GroupPolicyParser.
func Parse(text []byte) (*Policy, error) {
	if err := checkVersion(text); err != nil {
		return nil, err
	}
	s, err := schema.Compile("group-policy-1.json", schemaV1)
	if err != nil {
		return nil, err
	}
	if err := s.Check(text); err != nil {
		return nil, invalid(err)
	}
	p, err := decode(text)
	if err != nil {
		return nil, invalid(err)
	}
	if p.Kind == Static && p.MGMInfo != nil {
		return nil, invalid(schema.Errors{"/mgmInfo: a static group has no MGM; its place is filled when the CPI is stored"})
	}
	if faults := p.check(); len(faults) > 0 {
		return nil, invalid(faults)
	}
	if p.Kind == Static {
		p.Warnings = checkTemplates(p.ProtocolParameters.StaticNetwork.Members)
	}
	return p, nil
}

// decode reads a policy that the schema has passed, by exact names only.
func decode(text []byte) (*Policy, error) {
	root, err := schema.Keep(text, "fileFormatVersion", "groupId", "registrationProtocol", "synchronisationProtocol",
		"protocolParameters", "p2pParameters", "mgmInfo", "cipherSuite")
	if err != nil {
		return nil, err
	}
	var id string
	if err := json.Unmarshal(root["groupId"], &id); err != nil {
		return nil, err
	}
	kind := Member
	if id == CreateID {
		kind = MGM
		delete(root, "protocolParameters") // a free object, which nothing reads
	} else {
		protocol, err := schema.Keep(root["protocolParameters"], "sessionKeyPolicy", "staticNetwork")
		if err != nil {
			return nil, err
		}
		if raw, ok := protocol["staticNetwork"]; ok {
			kind = Static
			if err := keepInto(protocol, "staticNetwork", raw, "members"); err != nil {
				return nil, err
			}
		}
		if root["protocolParameters"], err = json.Marshal(protocol); err != nil {
			return nil, err
		}
		if err := keepInto(root, "p2pParameters", root["p2pParameters"], "sessionPki", "sessionTrustRoots", "tlsTrustRoots",
			"tlsPki", "tlsVersion", "protocolMode", "tlsType", "mtlsMgmClientCertificateSubject"); err != nil {
			return nil, err
		}
	}
	exact, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	p := &Policy{}
	if err := json.Unmarshal(exact, p); err != nil {
		return nil, err
	}
	p.Kind = kind
	return p, nil
}

// keepInto puts raw, with only the named properties, into an object.
func keepInto(object map[string]json.RawMessage, key string, raw json.RawMessage, names ...string) error {
	kept, err := schema.Keep(raw, names...)
	if err != nil {
		return err
	}
	object[key], err = json.Marshal(kept)
	return err
}

func invalid(err error) error {
	return fault.Because(fault.Validation, err, "the group policy is not valid")
}

// checkVersion looks at the version first, so that a policy of another one is not measured by the rules of this.
func checkVersion(text []byte) error {
	if !json.Valid(text) {
		var any any
		err := json.Unmarshal(text, &any)
		if err == nil {
			err = errors.New("trailing text")
		}
		return invalid(fmt.Errorf("it is not a JSON document: %w", err))
	}
	head, err := schema.Keep(text, "fileFormatVersion")
	if err != nil {
		return invalid(schema.Errors{"/: an object is needed here"})
	}
	var version int
	if err := json.Unmarshal(head["fileFormatVersion"], &version); err != nil {
		return invalid(schema.Errors{"/fileFormatVersion: a whole number is needed here"})
	}
	if version != Version {
		return invalid(schema.Errors{fmt.Sprintf("/fileFormatVersion: version %d is not known, only %d is", version, Version)})
	}
	return nil
}

// check finds what the schema cannot say.
func (p *Policy) check() (faults schema.Errors) {
	if p.Kind == MGM {
		return nil
	}
	switch strings.ToLower(p.ProtocolParameters.SessionKeyPolicy) {
	case "combined", "distinct":
	default:
		faults = append(faults, fmt.Sprintf("/protocolParameters/sessionKeyPolicy: %q is neither Combined nor Distinct", p.ProtocolParameters.SessionKeyPolicy))
	}
	for _, list := range []struct {
		name string
		pems []string
	}{{"sessionTrustRoots", p.P2P.SessionTrustRoots}, {"tlsTrustRoots", p.P2P.TLSTrustRoots}} {
		for i, text := range list.pems {
			if err := checkCertificate(text); err != nil {
				faults = append(faults, fmt.Sprintf("/p2pParameters/%s/%d: %v", list.name, i, err))
			}
		}
	}
	if s := p.P2P.MGMClientSubject; s != "" {
		if _, err := ident.ParseName(s); err != nil {
			faults = append(faults, fmt.Sprintf("/p2pParameters/mtlsMgmClientCertificateSubject: %v", err))
		}
	}
	return faults
}

func checkCertificate(text string) error {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return errors.New("it is not a PEM certificate")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return fmt.Errorf("it is not an X.509 certificate: %w", err)
	}
	return nil
}
