package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// read fills out from a section as it is on the bus; nothing at all counts as an untouched section. If it cannot be
// read, out has the defaults.
func read(name string, value json.RawMessage, out any) error {
	defaults, err := WithDefaults(name, "")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(defaults, out); err != nil {
		return fmt.Errorf("defaults of configuration section %s: %w", name, err)
	}
	if err := Validate(name, string(value)); err != nil {
		return err
	}
	if len(value) == 0 {
		return nil
	}
	complete, err := WithDefaults(name, string(value)) // brings numbers into the form that Go reads
	if err != nil {
		return err
	}
	if err := json.Unmarshal(complete, out); err != nil {
		return errors.Join(fmt.Errorf("configuration section %s: %w", name, err), json.Unmarshal(defaults, out))
	}
	return nil
}

// Reconciliation is how often each kind of row is compared with what is on the bus.
type Reconciliation struct {
	Config, CPIInfo, CPKWrite, VirtualNodeInfo, PermissionSummary, GroupParameters, MTLSAllowedCertificates time.Duration
}

// ReadReconciliation reads the section corda.reconciliation. With an error it gives the defaults.
func ReadReconciliation(value json.RawMessage) (Reconciliation, error) {
	var ms struct {
		Config     int64 `json:"configIntervalMs"`
		CPIInfo    int64 `json:"cpiInfoIntervalMs"`
		CPKWrite   int64 `json:"cpkWriteIntervalMs"`
		VNodeInfo  int64 `json:"vnodeInfoIntervalMs"`
		Permission int64 `json:"permissionSummaryIntervalMs"`
		Group      int64 `json:"groupParamsIntervalMs"`
		MTLS       int64 `json:"mtlsMgmAllowedCertificateSubjectsIntervalMs"`
	}
	err := read(SectionReconciliation, value, &ms)
	d := func(n int64) time.Duration { return time.Duration(min(n, maxMs)) * time.Millisecond }
	return Reconciliation{
		Config: d(ms.Config), CPIInfo: d(ms.CPIInfo), CPKWrite: d(ms.CPKWrite), VirtualNodeInfo: d(ms.VNodeInfo),
		PermissionSummary: d(ms.Permission), GroupParameters: d(ms.Group), MTLSAllowedCertificates: d(ms.MTLS),
	}, err
}

// maxMs bounds an interval to about 292 years, which is as much as a duration holds.
const maxMs = int64(1<<63-1) / int64(time.Millisecond)

// PackagingRules say what is accepted in an upload.
type PackagingRules struct {
	ExpiredCodeSigners string `json:"expiredCodeSigners"` // refuse or accept
}

// AcceptExpired tells whether a package without a time stamp is accepted, with a warning, although the certificate of
// its signer is not valid at the sandbox's clock.
func (r PackagingRules) AcceptExpired() bool { return r.ExpiredCodeSigners == "accept" }

// Packaging reads the section cordage.packaging. With an error it gives the defaults.
func Packaging(value json.RawMessage) (PackagingRules, error) {
	var r PackagingRules
	err := read(SectionPackaging, value, &r)
	return r, err
}
