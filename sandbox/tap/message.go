package tap

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/mask"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/ident"
)

// How much of a value is shown.
const (
	maxDecoded = 1 << 20  // bytes of a value; a larger one is not decoded, and so not shown
	maxString  = 4 << 10  // bytes of a string in it
	maxShown   = 64 << 10 // bytes of the whole
	maxRaw     = 1 << 10  // bytes of a value that is no JSON
)

// filter is a filter made ready.
type filter struct {
	f                sandbox.MessageFilter
	typ, vnode, text string // in lower case
	vnodeHash        string // in upper case
}

func newFilter(f sandbox.MessageFilter) filter {
	return filter{f: f, typ: strings.ToLower(f.Type), vnode: strings.ToLower(f.VNode), text: strings.ToLower(f.Text), vnodeHash: strings.ToUpper(f.VNode)}
}

// narrow tells that more is asked for than certain topics.
func (f filter) narrow() bool { return f.f.Key != "" || f.typ != "" || f.vnode != "" || f.text != "" }

// mayPass tells what can be told without decoding.
func (f filter) mayPass(r bus.Record) bool {
	return strings.Contains(r.Key, f.f.Key) && (f.typ == "" || strings.Contains(strings.ToLower(r.Type), f.typ))
}

// latest gives the last n of the records that pass, in their order.
func (f filter) latest(records []bus.Record, n int) []sandbox.Message {
	var found []sandbox.Message
	for _, r := range slices.Backward(records) {
		if len(found) == n {
			break
		}
		if m, ok := f.message(r); ok {
			found = append(found, m)
		}
	}
	slices.Reverse(found)
	return found
}

// message decodes a record, and tells whether it passes.
func (f filter) message(r bus.Record) (sandbox.Message, bool) {
	m := sandbox.Message{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UTC(), Key: mask.Text(r.Key), Type: r.Type,
		TraceID: r.TraceID(), Size: len(r.Value), Tombstone: r.Value == nil && r.Broken() == nil,
	}
	for name, value := range r.Headers() {
		if m.Headers == nil {
			m.Headers = map[string]string{}
		}
		m.Headers[name] = mask.Cut(clean(mask.Text(value)), maxString)
	}
	about := identify(r)
	m.VNode = about.hash
	show(&m, r)
	if f.vnode != "" && about.hash != f.vnodeHash && (about.name == "" || !strings.Contains(strings.ToLower(about.name), f.vnode)) {
		return m, false
	}
	return m, f.text == "" || f.hasText(m)
}

// show puts what can be shown of the value into m.
func show(m *sandbox.Message, r bus.Record) {
	if err := r.Broken(); err != nil {
		m.Raw = "(" + err.Error() + ")"
		return
	}
	if len(r.Value) > maxDecoded {
		m.Truncated = true
		return
	}
	masked, cut, err := mask.JSON(r.Value, maxString)
	switch {
	case r.Value == nil:
	case err == nil && len(masked) <= maxShown:
		m.Value, m.Truncated = masked, cut
	case err == nil:
		m.Raw, m.Truncated = mask.Cut(string(masked), maxShown), true
	default:
		m.Raw, m.Truncated = mask.Cut(clean(mask.Text(string(r.Value[:min(len(r.Value), maxRaw)]))), maxRaw), len(r.Value) > maxRaw
	}
}

// clean makes text of what may be none.
func clean(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func (f filter) hasText(m sandbox.Message) bool {
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), f.text) }
	if has(m.Key) || has(m.Raw) || bytes.Contains(bytes.ToLower(m.Value), []byte(f.text)) {
		return true
	}
	for name, value := range m.Headers {
		if has(name) || has(value) {
			return true
		}
	}
	return false
}

// about is the virtual node that a record tells of.
type about struct{ hash, name string }

// telling are the members by which records tell which virtual node they are about.
type telling struct {
	HoldingIdentity *ident.HoldingIdentity `json:"holdingIdentity"`
	HoldingID       *ident.HoldingIdentity `json:"holdingId"`
	Create          *struct {
		HoldingID *ident.HoldingIdentity `json:"holdingId"`
	} `json:"create"`
	TenantID   string `json:"tenantId"`
	ResourceID string `json:"resourceId"`
	RequestID  string `json:"requestId"`
}

// identify finds the virtual node: a holding identity in the value, or a short hash in it or as the key.
func identify(r bus.Record) about {
	var t telling
	if len(r.Value) <= maxDecoded && json.Unmarshal(r.Value, &t) == nil {
		if t.HoldingID == nil && t.Create != nil {
			t.HoldingID = t.Create.HoldingID
		}
		for _, id := range []*ident.HoldingIdentity{t.HoldingIdentity, t.HoldingID} {
			if id != nil && id.X500Name != "" {
				return about{string(id.ShortHash()), id.X500Name}
			}
		}
	}
	for _, s := range []string{t.TenantID, t.ResourceID, r.Key, t.RequestID} {
		if hash, err := ident.ParseShortHash(s); err == nil {
			return about{hash: string(hash)}
		}
	}
	return about{}
}
