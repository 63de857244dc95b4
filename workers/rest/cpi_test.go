package rest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
)

const partSize = 952_320

// TestUpload reads the parts of uploads as the database worker would.
func TestUpload(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	parts := make(chan record.FileChunk, 1000)
	p.consume(t, record.TopicCPIUpload, func(r bus.Record) {
		c, err := bus.Decode[record.FileChunk](r)
		if err != nil {
			t.Errorf("part: %v", err)
		}
		if r.Key != c.RequestID {
			t.Errorf("part of %s has the key %s", c.RequestID, r.Key)
		}
		parts <- c
	})
	a := p.start(t, "rest-1", 1)
	random := rand.NewChaCha8([32]byte{1})
	for name, size := range map[string]int{"small": 3, "one part": partSize, "one byte more": partSize + 1, "several": 3*partSize + 7} {
		content := make([]byte, size)
		random.Read(content)
		text, kind := form{"upload": {"my app.cpi", string(content)}, "ignored": {"", "x"}}.encode()
		c := call{method: "POST", path: "/api/v1/cpi/", header: map[string]string{"Content-Type": kind}, body: text}
		if name == "several" { // of unknown length
			c.body = struct{ *bytes.Reader }{bytes.NewReader([]byte(text))}
		}
		r := a.do(t, c)
		var accepted struct {
			ID string `json:"id"`
		}
		r.into(t, &accepted)
		if r.status != 200 || len(accepted.ID) != 36 {
			t.Fatalf("%s: %d %s", name, r.status, r.body)
		}
		sum := sha256.Sum256(content)
		for number, offset := 0, 0; ; number++ {
			got := receive(t, parts)
			want := record.FileChunk{RequestID: accepted.ID, PartNumber: number, Offset: int64(offset),
				Properties: map[string]string{"ChunkFileName": "my app.cpi", "actor": "admin"}}
			if offset == size {
				want.Checksum = "SHA-256:" + strings.ToUpper(hex.EncodeToString(sum[:]))
			} else {
				want.Data = content[offset:min(offset+partSize, size)]
			}
			data := got.Data
			if !bytes.Equal(want.Data, got.Data) {
				t.Fatalf("%s, part %d: %d bytes that are not those sent", name, number, len(got.Data))
			}
			want.Data, got.Data = nil, nil // compared by bytes.Equal, since cmp takes seconds
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s, part %d: -want +got\n%s", name, number, diff)
			}
			if offset == size {
				break
			}
			offset += len(data)
		}
	}

	missing := failure{"The form has no file named upload", 400, map[string]string{"upload": "The form has no file named upload"}}
	post := func(body any) reply { return a.do(t, call{method: "POST", path: "/api/v1/cpi", body: body}) }
	post(form{"upload": {"", "a field, not a file"}}).want(t, missing)
	post(form{"Upload": {"x", "another name"}}).want(t, missing)
	post(form{"upload": {"x", ""}}).want(t, failure{"The file is empty", 400, map[string]string{"upload": "The file is empty"}})
	post("x").want(t, failure{"This operation takes multipart/form-data", 415, nil})
	post(form{"upload": {strings.Repeat("ä", 256), "x"}}).want(t, failure{"The file name must be text of at most 255 characters", 400,
		map[string]string{"upload": "The file name must be text of at most 255 characters"}})
	a.do(t, call{method: "POST", path: "/api/v1/cpi", body: "--edge\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"x\"\r\n\r\ncut off",
		header: map[string]string{"Content-Type": "multipart/form-data; boundary=edge"}}).
		want(t, failure{"The body of the request could not be read to its end", 400, nil})
	brokeOff(t, parts)
	a.do(t, call{method: "POST", path: "/api/v1/cpi", login: "-", body: form{"upload": {"x", "y"}}}).
		want(t, failure{"User credentials are empty or cannot be resolved", 401, nil})

	p.setSection(t, "corda.rest", "", `{"maxContentLength":100000}`, 1)
	a.await(t, call{path: "/api/v1/config/corda.rest"}, func(r reply) bool { return r.status == 200 })
	text, kind := form{"upload": {"x", strings.Repeat("x", 200_000)}}.encode()
	a.do(t, call{method: "POST", path: "/api/v1/cpi", body: struct{ *strings.Reader }{strings.NewReader(text)}, header: map[string]string{"Content-Type": kind}}).
		want(t, failure{"Payload Too Large", 413, map[string]string{"maximum": "100000"}})
}

// brokeOff checks that an upload that broke off is ended by a part without a checksum.
func brokeOff(t *testing.T, parts <-chan record.FileChunk) {
	t.Helper()
	first, last := receive(t, parts), receive(t, parts)
	if last.RequestID != first.RequestID || last.PartNumber != 1 || last.Offset != int64(len(first.Data)) || len(last.Data) > 0 || last.Checksum != "" {
		t.Errorf("the last part is %+v after %d bytes, want an empty one without a checksum", last, len(first.Data))
	}
}

// TestUploadStatus has every kind of status, and what it answers.
func TestUploadStatus(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	a, b := p.start(t, "rest-1", 1), p.start(t, "rest-2", 2)
	const id = "5b6e4e26-0000-4000-8000-00000000000"
	status := func(last string, number int, u record.UploadStatus) bus.Message {
		u.Key = record.UploadStatusKey{RequestID: id + last, SequenceNumber: number}
		u.Timestamp = published
		return bus.Message{Topic: record.TopicCPIUploadStatus, Key: record.Key(u.Key), Value: u}
	}
	p.publish(t,
		status("1", 0, record.UploadStatus{Message: "Uploading"}),
		status("2", 9, record.UploadStatus{Message: "Persisting CPI"}),
		status("2", 10, record.UploadStatus{Message: "Notifying"}),
		status("2", 2, record.UploadStatus{Message: "Verifying CPI"}),
		status("3", 1000, record.UploadStatus{Complete: true, Message: "OK", Checksum: cpiHash}),
		status("3", 1, record.UploadStatus{Message: "Verifying CPI"}),
		status("4", 1000, record.UploadStatus{Message: "Verifying CPI", Failure: &record.Failure{Type: record.FailureInvalidCPI, Message: "it is not signed"}}),
		status("5", 1000, record.UploadStatus{Failure: &record.Failure{Type: record.FailureDuplicateCPI, Message: "demo 1.0 already exists"}}),
		status("6", 1000, record.UploadStatus{Failure: &record.Failure{Type: "InternalServerException", Message: "no room"}}),
	)
	get := func(last string) reply { return b.do(t, call{path: "/api/v1/cpi/status/" + id + last}) }
	b.await(t, call{path: "/api/v1/cpi/status/" + id + "6"}, func(r reply) bool { return r.status == 500 })
	for last, want := range map[string]string{
		"1": `{"cpiFileChecksum":"","status":"Uploading"}`,
		"2": `{"cpiFileChecksum":"","status":"Notifying"}`,
		"3": `{"cpiFileChecksum":"1A2B3C4D5E6F","status":"OK"}`,
	} {
		if r := get(last); r.status != 200 || r.body != want {
			t.Errorf("%s: %d %s, want %s", last, r.status, r.body, want)
		}
	}
	get("4").want(t, failure{"it is not signed", 400, map[string]string{"errorType": "ValidationException", "errorMessage": "it is not signed", "message": "Verifying CPI"}})
	get("5").want(t, failure{"demo 1.0 already exists", 409, nil})
	get("6").want(t, failure{"no room", 500, map[string]string{"errorType": "InternalServerException", "errorMessage": "no room", "message": ""}})
	get("7").want(t, failure{"No upload with request id '" + id + "7' found.", 400, nil})
	a.do(t, call{path: "/api/v1/cpi/status/THIS_WILL_NEVER_BE_A_CPI_STATUS"}).
		want(t, failure{"No upload with request id 'THIS_WILL_NEVER_BE_A_CPI_STATUS' found.", 400, nil})

	p.addCPI(t, sampleCPI(groupID))
	a.await(t, call{path: "/api/v1/cpi"}, func(r reply) bool { return strings.Contains(r.body, "demo") })
	want := `{"cpis":[{"cpiFileChecksum":"1A2B3C4D5E6F","cpiFileFullChecksum":"` + cpiHash[8:] + `",` +
		`"cpks":[{"hash":"SHA-256:41","id":{"name":"com.example.demo","signerSummaryHash":"SHA-256:77","version":"1.0"},"libraries":[],` +
		`"mainBundle":"demo-1.0.jar","timestamp":"2023-06-01T12:00:00.120Z","type":"UNKNOWN"}],"groupPolicy":"{\"fileFormatVersion\":1}",` +
		`"id":{"cpiName":"demo","cpiVersion":"1.0","signerSummaryHash":"SHA-256:9F"},"timestamp":"2023-06-01T12:00:00Z"}]}`
	if r := a.do(t, call{path: "/api/v1/cpi"}); r.body != want {
		t.Errorf("got  %s\nwant %s", r.body, want)
	}
}

// TestStatusIsAwaited asks for statuses before they are published. On a quiet machine each of the reads waits long enough;
// one that does must be among many.
func TestStatusIsAwaited(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	a := p.start(t, "rest-1", 1)
	for try := range 50 {
		id := fmt.Sprintf("ABCDEF%06d", try)
		sent, got := make(chan struct{}), make(chan int, 1)
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) },
		})
		go func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/api/v1/virtualnode/status/"+id, nil)
			if err != nil {
				t.Error(err)
			}
			req.SetBasicAuth("admin", "admin")
			resp, err := a.client.Do(req)
			if err != nil {
				t.Error(err)
				got <- 0
				return
			}
			resp.Body.Close()
			got <- resp.StatusCode
		}()
		<-sent
		p.publish(t, statusMessage(id, record.OperationAccepted, nil))
		if <-got == http.StatusOK {
			return
		}
	}
	t.Error("none of 50 reads waited for what was about to come")
}
