package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/cordage-sandbox/cordage/workers/packaging"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

// packageInfo is what is told of a package.
type packageInfo struct {
	Type          string          `json:"type"`
	Name          string          `json:"name"`
	Version       string          `json:"version"`
	Checksum      string          `json:"checksum"`
	SignerSummary string          `json:"signerSummaryHash,omitempty"`
	Signature     string          `json:"signature"`
	Signers       []signerInfo    `json:"signers"`
	CPKs          []cpkInfo       `json:"cpks,omitempty"`
	GroupID       string          `json:"groupId,omitempty"`
	GroupKind     string          `json:"groupKind,omitempty"`
	GroupPolicy   json.RawMessage `json:"groupPolicy,omitempty"`
	Warnings      []string        `json:"warnings,omitempty"`
}

type signerInfo struct {
	Subject   string     `json:"subject"`
	NotBefore time.Time  `json:"notBefore"`
	NotAfter  time.Time  `json:"notAfter"`
	Timestamp *time.Time `json:"timestamp,omitempty"`
	Chain     []string   `json:"chain"` // subjects, leaf first
}

type cpkInfo struct {
	Name          string                 `json:"name"`
	Version       string                 `json:"version"`
	File          string                 `json:"file,omitempty"`
	Checksum      string                 `json:"checksum"`
	SignerSummary string                 `json:"signerSummaryHash,omitempty"`
	Type          string                 `json:"type"` // CONTRACT or WORKFLOW
	Signers       []signerInfo           `json:"signers"`
	Dependencies  []packaging.Dependency `json:"dependencies,omitempty"`
	Libraries     []string               `json:"libraries,omitempty"`
	ChangeLogs    []string               `json:"changeLogs,omitempty"`
	Channels      json.RawMessage        `json:"externalChannels,omitempty"`
}

// inspectPackage reads a package of any type with opts.
func inspectPackage(ctx context.Context, src packaging.Source, opts packaging.VerifyOptions) (*packageInfo, error) {
	kind, err := packaging.TypeOf(ctx, src.R, src.Size, opts.Limits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", opts.Name, err)
	}
	info := &packageInfo{Type: string(kind), Signature: "holds"}
	switch kind {
	case packaging.TypeCPI:
		c, err := packaging.ReadCPI(ctx, src.R, src.Size, opts)
		if err != nil {
			return nil, err
		}
		info.Name, info.Version, info.Checksum, info.SignerSummary = c.ID.Name, c.ID.Version, c.FileChecksum, c.ID.SignerSummaryHash
		info.Signers, info.CPKs, info.Warnings = signerInfos(c.Signers), cpkInfos(c.CPKs), c.Warnings
		info.GroupID, info.GroupKind, info.GroupPolicy = c.GroupID, string(c.Policy.Kind), c.GroupPolicy
		return info, c.Close()
	case packaging.TypeCPB:
		c, err := packaging.ReadCPB(ctx, src.R, src.Size, opts)
		if err != nil {
			return nil, err
		}
		info.Name, info.Version, info.Checksum = c.Name, c.Version, c.FileChecksum
		info.Signers, info.CPKs, info.Warnings = signerInfos(c.Signers), cpkInfos(c.CPKs), c.Warnings
		return info, c.Close()
	default:
		c, err := packaging.ReadCPK(ctx, src.R, src.Size, opts)
		if err != nil {
			return nil, err
		}
		c.FileName = "" // it is the file that was asked about
		info.Name, info.Version, info.Checksum, info.SignerSummary = c.ID.Name, c.ID.Version, c.FileChecksum, c.ID.SignerSummaryHash
		info.Signers, info.CPKs, info.Warnings = signerInfos(c.Signers), cpkInfos([]*packaging.CPK{c}), c.Warnings
		return info, nil
	}
}

func signerInfos(signers []*jarsign.Signer) []signerInfo {
	out := []signerInfo{}
	for _, s := range signers {
		i := signerInfo{Subject: jarsign.Subject(s.Leaf()), NotBefore: s.Leaf().NotBefore, NotAfter: s.Leaf().NotAfter}
		for _, c := range s.Chain {
			i.Chain = append(i.Chain, jarsign.Subject(c))
		}
		if s.Timestamp != nil {
			i.Timestamp = &s.Timestamp.Time
		}
		out = append(out, i)
	}
	return out
}

func cpkInfos(cpks []*packaging.CPK) []cpkInfo {
	var out []cpkInfo
	for _, c := range cpks {
		i := cpkInfo{
			Name: c.ID.Name, Version: c.ID.Version, File: c.FileName, Checksum: c.FileChecksum, SignerSummary: c.ID.SignerSummaryHash,
			Type: c.Manifest.Type, Signers: signerInfos(c.Signers), Dependencies: c.Dependencies, Libraries: c.Libraries, Channels: c.ExternalChannels,
		}
		for _, l := range c.ChangeLogs {
			i.ChangeLogs = append(i.ChangeLogs, l.Path)
		}
		out = append(out, i)
	}
	return out
}

// print shows the package to a person.
func (p *packageInfo) print(w io.Writer) error {
	rows := [][]string{
		{p.Type, p.Name + " " + p.Version},
		{"checksum", p.Checksum},
		{"signature", p.Signature},
	}
	for _, s := range p.Signers {
		rows = append(rows, []string{"signed by", s.text()})
	}
	if p.GroupID != "" {
		rows = append(rows, []string{"group", p.GroupID + " (" + p.GroupKind + ")"})
	}
	for _, c := range p.CPKs {
		if p.Type != string(packaging.TypeCPK) {
			rows = append(rows, []string{"CPK", c.Name + " " + c.Version}, []string{"  file", c.File}, []string{"  checksum", c.Checksum})
			for _, s := range c.Signers {
				rows = append(rows, []string{"  signed by", s.text()})
			}
		}
		rows = append(rows, []string{"  type", c.Type})
		for _, d := range c.Dependencies {
			how := "of the same signers"
			if d.FileHash != nil {
				how = "as the file with " + d.FileHash.Algorithm + " " + fmt.Sprintf("%X", d.FileHash.Hash)
			}
			rows = append(rows, []string{"  needs", d.Name + " " + d.Version + " " + how})
		}
		for _, l := range c.ChangeLogs {
			rows = append(rows, []string{"  tables", l})
		}
	}
	for _, warning := range p.Warnings {
		rows = append(rows, []string{"warning", warning})
	}
	return table(w, rows)
}

func (s signerInfo) text() string {
	text := s.Subject + ", valid " + s.NotBefore.UTC().Format(time.DateOnly) + " to " + s.NotAfter.UTC().Format(time.DateOnly)
	if s.Timestamp != nil {
		text += ", timestamped " + s.Timestamp.UTC().Format(time.RFC3339)
	}
	return text
}
