package record_test

import (
	"testing"

	"github.com/cordage-sandbox/cordage/workers/record"
)

func TestTopicsAreListedOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, topic := range record.Topics() {
		if seen[topic.Name] {
			t.Errorf("%s is listed twice", topic.Name)
		}
		seen[topic.Name] = true
	}
	for _, want := range []string{
		record.TopicConfig, record.TopicConfigManagement, record.Reply(record.TopicConfigManagement), record.TopicUser,
		record.TopicVirtualNodeInfo, record.TopicVirtualNodeAsyncRequest, record.TopicVirtualNodeStatus,
		record.TopicCPIUpload, record.TopicCPIUploadStatus, record.TopicCPIInfo, record.TopicCPKFile,
		record.TopicCertificates, record.TopicUniquenessCheck, record.TopicFlowEvent, record.TopicClock,
	} {
		if !seen[want] {
			t.Errorf("%s is not listed", want)
		}
	}
}

func TestKeyHasMembersInOrder(t *testing.T) {
	t.Parallel()
	got := record.Key(record.CPIIdentifier{Name: "demo", Version: "1.0", SignerSummaryHash: "SHA-256:AB"})
	want := `{"name":"demo","version":"1.0","signerSummaryHash":"SHA-256:AB"}`
	if got != want {
		t.Errorf("Key = %s, want %s", got, want)
	}
	if got := record.TypeOf(&record.CPIMetadata{}); got != "CPIMetadata" {
		t.Errorf("TypeOf(*CPIMetadata) = %q", got)
	}
}

// TestSharedTopics keeps the number of partitions small, which the time of every start depends on, without taking the
// topics that work is shared out over.
func TestSharedTopics(t *testing.T) {
	t.Parallel()
	several := 0
	for _, topic := range record.Topics() {
		if topic.Single {
			continue
		}
		several++
		if topic.Compacted {
			t.Errorf("%s is read whole by everybody, and yet can have several partitions", topic.Name)
		}
	}
	if several != 10 {
		t.Errorf("%d topics can have several partitions, want 10", several)
	}
}
