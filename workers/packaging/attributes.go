package packaging

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// FormatVersion is the only format that Corda 5.0 loads.
const FormatVersion = "2.0"

// Attributes of manifests.
const (
	attrCPKFormat = "Corda-CPK-Format"
	attrCPKName   = "Corda-CPK-Cordapp-Name"
	attrCPKType   = "Corda-CPK-Type"
	attrCPBFormat = "Corda-CPB-Format"
	attrCPBName   = "Corda-CPB-Name"
	attrCPBVer    = "Corda-CPB-Version"
	attrCPIFormat = "Corda-CPI-Format"
	attrCPIName   = "Corda-CPI-Name"
	attrCPIVer    = "Corda-CPI-Version"

	attrBundleName    = "Bundle-SymbolicName"
	attrBundleVersion = "Bundle-Version"
	attrMinPlatform   = "Min-Platform-Version"
	attrTargetPlat    = "Target-Platform-Version"
	attrContract      = "Cordapp-Contract-"
	attrWorkflow      = "Cordapp-Workflow-"

	defaultMinPlatform = 50000
)

// Types of a CorDapp and of a CPK.
const (
	TypeContract = "CONTRACT"
	TypeWorkflow = "WORKFLOW"
	TypeCordaAPI = "CORDA_API"
	TypeUnknown  = "UNKNOWN"
)

// checkFormat wants attribute to be 2.0. A missing one means 1.0.
func checkFormat(m *jarsign.Manifest, attribute string) error {
	value, ok := m.Main.Get(attribute)
	switch {
	case !ok:
		return fault.New(fault.UnknownFormat, "the manifest has no %s, which means format 1.0; only format %s can be used", attribute, FormatVersion)
	case !regexp.MustCompile(`^\d+\.\d+$`).MatchString(value):
		return fault.New(fault.Packaging, "%s is %q, not of the form digits.digits", attribute, value)
	case value != FormatVersion:
		return fault.New(fault.UnknownFormat, "%s is %s; only format %s can be used", attribute, value, FormatVersion)
	}
	return nil
}

// need gives an attribute that must be there.
func need(m *jarsign.Manifest, attribute string) (string, error) {
	v, ok := m.Main.Get(attribute)
	if !ok || strings.TrimSpace(v) == "" {
		return "", fault.New(fault.Manifest, "the manifest has no %s", attribute)
	}
	return v, nil
}

func needInt(m *jarsign.Manifest, attribute string) (int, error) {
	v, err := need(m, attribute)
	if err != nil {
		return 0, err
	}
	return parseInt(attribute, v)
}

func parseInt(attribute, v string) (int, error) {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil {
		return 0, fault.New(fault.Manifest, "%s is %q, not a whole number", attribute, v)
	}
	return int(n), nil
}

// cordappManifest reads what a CPK's manifest says of its CorDapp. A CPK that has both attribute groups is a contract.
//
// Source: Corda 5.0, CordappManifest.
func cordappManifest(m *jarsign.Manifest) (record.CorDappManifest, error) {
	out := record.CorDappManifest{MinPlatformVersion: defaultMinPlatform, Attributes: map[string]string{}}
	var err error
	if out.BundleSymbolicName, err = need(m, attrBundleName); err != nil {
		return out, err
	}
	if out.BundleVersion, err = need(m, attrBundleVersion); err != nil {
		return out, err
	}
	if v, ok := m.Main.Get(attrMinPlatform); ok {
		if out.MinPlatformVersion, err = parseInt(attrMinPlatform, v); err != nil {
			return out, err
		}
	}
	out.TargetPlatformVersion = out.MinPlatformVersion
	if v, ok := m.Main.Get(attrTargetPlat); ok {
		if out.TargetPlatformVersion, err = parseInt(attrTargetPlat, v); err != nil {
			return out, err
		}
	}
	named := map[string]bool{}
	for _, name := range []string{attrBundleName, attrBundleVersion, attrMinPlatform, attrTargetPlat} {
		named[strings.ToLower(name)] = true
	}
	for _, group := range []string{attrContract, attrWorkflow} {
		for _, name := range []string{"Name", "Version", "Vendor", "Licence"} {
			named[strings.ToLower(group+name)] = true
		}
	}
	for _, a := range m.Main {
		if !named[strings.ToLower(a.Name)] {
			out.Attributes[a.Name] = a.Value
		}
	}
	return out, cordappGroup(m, &out)
}

func cordappGroup(m *jarsign.Manifest, out *record.CorDappManifest) error {
	group := attrWorkflow
	out.Type = TypeWorkflow
	if _, ok := m.Main.Get(attrContract + "Name"); ok {
		group, out.Type = attrContract, TypeContract
	} else if _, ok := m.Main.Get(attrWorkflow + "Name"); !ok {
		return fault.New(fault.Manifest, "the manifest has neither %sName nor %sName", attrContract, attrWorkflow)
	}
	var err error
	if out.ShortName, err = need(m, group+"Name"); err != nil {
		return err
	}
	if out.VersionID, err = needInt(m, group+"Version"); err != nil {
		return err
	}
	if out.Vendor, err = need(m, group+"Vendor"); err != nil {
		return err
	}
	out.License, err = need(m, group+"Licence")
	return err
}
