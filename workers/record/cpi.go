package record

import (
	"encoding/json"
	"time"
)

// FileChunk is one part of a file on [TopicCPIUpload] (key: upload request id) and [TopicCPKFile] (key: [Key] of a
// [CPKChunkID]). Parts count from 0; the last one is empty, carries the checksum, and its number is the count of the
// parts before it. A last part without a checksum ends an upload that its sender could not finish.
type FileChunk struct {
	RequestID  string            `json:"requestId"`
	Checksum   string            `json:"checksum,omitempty"` // SHA-256:HEX of the whole file, in the last part only
	PartNumber int               `json:"partNumber"`
	Offset     int64             `json:"offset"`
	Data       []byte            `json:"data,omitempty"`
	Properties map[string]string `json:"properties,omitempty"` // [PropertyFileName], [PropertyForceUpload], [PropertyActor]
}

// Properties of a [FileChunk] of an upload.
const (
	PropertyFileName    = "ChunkFileName"
	PropertyForceUpload = "forceUpload"
	PropertyActor       = "actor"
)

// CPKChunkID is the key of a CPK's part.
type CPKChunkID struct {
	Checksum   string `json:"cpkChecksum"`
	PartNumber int    `json:"cpkChunkPartNumber"`
}

// UploadStatusKey is the key of an [UploadStatus]; the highest sequence number of a request wins.
type UploadStatusKey struct {
	RequestID      string `json:"requestId"`
	SequenceNumber int    `json:"sequenceNumber"`
}

// UploadStatus tells on [TopicCPIUploadStatus] how far an upload is.
type UploadStatus struct {
	Key       UploadStatusKey `json:"key"`
	Complete  bool            `json:"complete"`
	Message   string          `json:"message"`            // progress text; OK when done
	Checksum  string          `json:"checksum,omitempty"` // SHA-256:HEX of the CPI, when done
	Failure   *Failure        `json:"exception,omitempty"`
	Warnings  []string        `json:"warnings,omitempty"`
	Timestamp time.Time       `json:"timestamp"`
}

// Failure types of an [UploadStatus]; any other type is an internal error.
const (
	FailureInvalidCPI   = "ValidationException"
	FailureDuplicateCPI = "DuplicateCpiUploadException"
)

// CPIIdentifier names a CPI. Its [Key] is the key on [TopicCPIInfo].
type CPIIdentifier struct {
	Name              string `json:"name"`
	Version           string `json:"version"`
	SignerSummaryHash string `json:"signerSummaryHash"` // SHA-256:HEX
}

// CPKIdentifier names a CPK.
type CPKIdentifier struct {
	Name              string `json:"name"`
	Version           string `json:"version"`
	SignerSummaryHash string `json:"signerSummaryHash"`
}

// CPIMetadata is a stored CPI, on [TopicCPIInfo].
type CPIMetadata struct {
	ID          CPIIdentifier `json:"id"`
	Hash        string        `json:"hash"` // SHA-256:HEX of the CPI file
	CPKs        []CPKMetadata `json:"cpks"`
	GroupPolicy string        `json:"groupPolicy"` // JSON text
	GroupID     string        `json:"groupId"`     // CREATE_ID for an MGM's CPI
	Version     int           `json:"version"`
	Timestamp   time.Time     `json:"timestamp"`
}

// CPKMetadata describes one CPK of a CPI; it is also the metadata column of cpk_metadata.
type CPKMetadata struct {
	ID               CPKIdentifier    `json:"id"`
	FormatVersion    string           `json:"formatVersion"`
	MainBundle       string           `json:"mainBundle"`
	Libraries        []string         `json:"libraries"`
	Manifest         CorDappManifest  `json:"corDappManifest"`
	Type             string           `json:"type"` // CORDA_API or UNKNOWN
	Hash             string           `json:"hash"` // SHA-256:HEX of the CPK file
	Certificates     [][]byte         `json:"corDappCertificates"`
	ExternalChannels *json.RawMessage `json:"externalChannelsConfig,omitempty"`
	Timestamp        time.Time        `json:"timestamp"`
}

// CorDappManifest is what a CPK's manifest says of its CorDapp.
type CorDappManifest struct {
	BundleSymbolicName    string            `json:"bundleSymbolicName"`
	BundleVersion         string            `json:"bundleVersion"`
	MinPlatformVersion    int               `json:"minPlatformVersion"`
	TargetPlatformVersion int               `json:"targetPlatformVersion"`
	Type                  string            `json:"type"` // CONTRACT, WORKFLOW or UNKNOWN
	ShortName             string            `json:"shortName"`
	Vendor                string            `json:"vendor"`
	VersionID             int               `json:"versionId"`
	License               string            `json:"license"`
	Attributes            map[string]string `json:"attributes"` // all other main attributes
}

// CertificateRequest asks on [TopicCertificates]; exactly one of Import, List and Get is set.
type CertificateRequest struct {
	Usage  string             `json:"usage"` // code-signer and others of Corda
	Import *CertificateImport `json:"import,omitempty"`
	List   bool               `json:"list,omitempty"`
	Get    string             `json:"get,omitempty"` // an alias
}

// CertificateImport stores a chain under an alias, replacing what is there.
type CertificateImport struct {
	Alias string `json:"alias"`
	PEM   string `json:"certificates"`
}

// Types of a refusal in a [CertificateResponse]: of the certificates, or of the alias that they are to have.
const (
	FailureInvalidCertificate = "IllegalArgumentException"
	FailureInvalidAlias       = "InvalidAliasException"
)

// CertificateResponse answers it.
type CertificateResponse struct {
	Failure *Failure `json:"failure,omitempty"`
	Aliases []string `json:"aliases,omitempty"`
	PEM     *string  `json:"rawCertificates,omitempty"` // nil: there is none of that alias
}
