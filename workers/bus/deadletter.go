package bus

import (
	"fmt"
)

// maxReason bounds the reason in a dead letter's header, in bytes.
const maxReason = 1_000

// DeadLetter sends a record that cannot be handled to the dead letters of its topic (T.dlq), with key, value, type and
// trace as they are, and in headers the reason and where it was. The topic must exist.
//
// Source: Corda 5.0, messaging library. There the key is random, and only state-and-event topics have dead letters.
func DeadLetter(r Record, why error) Message {
	reason := why.Error()
	reason = reason[:min(len(reason), maxReason)]
	m := Message{Topic: r.Topic + ".dlq", Key: r.Key, trace: r.trace, raw: r.Value}
	for _, h := range r.headers {
		if h.key != headerChunkSet && h.key != headerChunkPart && h.key != headerChunkOf && h.key != headerChunkHash {
			m.headers = append(m.headers, h)
		}
	}
	if r.Type != "" {
		m.headers = append(m.headers, header{headerType, []byte(r.Type)})
	}
	m.headers = append(m.headers, header{headerDeadReason, []byte(reason)},
		header{headerDeadFrom, fmt.Appendf(nil, "%s/%d/%d", r.Topic, r.Partition, r.Offset)})
	return m
}

// DeadLetterReason is why a record of a T.dlq topic is there; empty for any other record.
func (r Record) DeadLetterReason() string { return r.header(headerDeadReason) }
