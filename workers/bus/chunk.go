package bus

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/cordage-sandbox/cordage/workers/bus/wire"
)

// A value that is too large for one record is sent as several, its chunks, to the partition of its key. All but the last
// have keys of their own, the key and a number, so that compaction keeps them apart; the last one has the key itself, the
// number of chunks, and the SHA-256 of the whole. So a later record of the key, or a tombstone, takes from a compacted
// topic the one chunk without which the others are nothing, and an old value cannot come back.
//
// Source: Corda 5.0, messaging library (chunking). There a chunk's key is a record of its own, the last chunk is empty,
// and what an old value had more of than the new one is deleted by its producer.

const (
	chunkMargin = 10_240 // left of MaxMessageBytes for key and headers, in bytes

	// Limits for the chunks that a reader keeps while it waits for the rest.
	maxChunkedValue = 64 << 20 // bytes of one partition's incomplete values
	maxHeldRecords  = 10_000   // records of other keys that wait behind them
)

// split appends out to outs, in chunks if need be.
func (b *Bus) split(outs []wire.Out, client, topic string, out wire.Out) []wire.Out {
	limit := b.c.MaxMessageBytes - chunkMargin
	if len(out.Value) <= limit {
		return append(outs, out)
	}
	parts := (len(out.Value) + limit - 1) / limit
	b.m.chunks.WithLabelValues(client, topic).Observe(float64(parts))
	var id [16]byte
	rand.Read(id[:]) // never fails
	sum := sha256.Sum256(out.Value)
	set := []byte(hex.EncodeToString(id[:]))
	for n := 1; n <= parts; n++ {
		part := wire.Out{Topic: out.Topic, Partition: out.Partition, Headers: []wire.Header{
			{Key: headerChunkSet, Value: set}, {Key: headerChunkPart, Value: strconv.AppendInt(nil, int64(n), 10)},
		}}
		if n < parts {
			part.Key = fmt.Appendf(nil, "%s\x00chunk%d", out.Key, n)
			part.Value = out.Value[(n-1)*limit : n*limit]
		} else {
			part.Key, part.Value = out.Key, out.Value[(n-1)*limit:]
			part.Headers = append(part.Headers, out.Headers...)
			part.Headers = append(part.Headers,
				wire.Header{Key: headerChunkOf, Value: strconv.AppendInt(nil, int64(parts), 10)},
				wire.Header{Key: headerChunkHash, Value: []byte(hex.EncodeToString(sum[:]))})
		}
		outs = append(outs, part)
	}
	return outs
}

// assembler puts the chunks of one partition together.
type assembler struct {
	// hold keeps the records behind a value that is not complete yet until it is. Then the position behind a record
	// that is given says that all before it have been given too.
	hold bool

	sets  map[string]*chunkSet
	order []string // of the sets, oldest first
	bytes int      // in all sets
	held  []Record
}

type chunkSet struct {
	parts map[int][]byte
	bytes int
}

var errChunksLost = errors.New("chunks of the value are missing")

// add takes the next record of the partition, and gives those that can be given now.
func (a *assembler) add(r Record) []Record {
	set := r.header(headerChunkSet)
	if set == "" {
		return a.release(r)
	}
	part, err := strconv.Atoi(r.header(headerChunkPart))
	if err != nil || part < 1 {
		r.broken = fmt.Errorf("chunk %q of a value has no number", r.header(headerChunkPart))
		return a.release(r)
	}
	if of := r.header(headerChunkOf); of != "" {
		whole := a.finish(r, set, of)
		return a.release(whole)
	}
	s := a.sets[set]
	if s == nil {
		if a.sets == nil {
			a.sets = map[string]*chunkSet{}
		}
		s = &chunkSet{parts: map[int][]byte{}}
		a.sets[set] = s
		a.order = append(a.order, set)
	}
	if _, twice := s.parts[part]; !twice {
		s.parts[part] = bytes.Clone(r.Value) // a slice of what was read at once, which is larger
		s.bytes += len(r.Value)
		a.bytes += len(r.Value)
	}
	for a.bytes > maxChunkedValue && len(a.order) > 0 {
		a.drop(a.order[0])
	}
	return a.release()
}

// finish puts the value together whose last chunk is r.
func (a *assembler) finish(r Record, set, of string) Record {
	s := a.sets[set]
	defer a.drop(set)
	parts, err := strconv.Atoi(of)
	if err != nil || s == nil || len(s.parts) != parts-1 {
		r.broken = errChunksLost
		return r
	}
	whole := make([]byte, 0, s.bytes+len(r.Value))
	for n := 1; n < parts; n++ {
		part, ok := s.parts[n]
		if !ok {
			r.broken = errChunksLost
			return r
		}
		whole = append(whole, part...)
	}
	whole = append(whole, r.Value...)
	if sum := sha256.Sum256(whole); hex.EncodeToString(sum[:]) != r.header(headerChunkHash) {
		r.broken = errors.New("the SHA-256 of the value is not that of its chunks")
		return r
	}
	r.Value = whole
	return r
}

// release gives the records in their order, or keeps them while a value before them is incomplete.
func (a *assembler) release(records ...Record) []Record {
	if !a.hold {
		return records
	}
	a.held = append(a.held, records...)
	if len(a.held) > maxHeldRecords { // nobody will complete those values any more
		a.dropAll()
	}
	if len(a.sets) > 0 {
		return nil
	}
	free := a.held
	a.held = nil
	return free
}

func (a *assembler) drop(set string) {
	s := a.sets[set]
	if s == nil {
		return
	}
	a.bytes -= s.bytes
	delete(a.sets, set)
	for i, id := range a.order {
		if id == set {
			a.order = append(a.order[:i], a.order[i+1:]...)
			break
		}
	}
}

func (a *assembler) dropAll() { a.sets, a.order, a.bytes = nil, nil, 0 }

// empty tells whether nothing waits.
func (a *assembler) empty() bool { return len(a.sets) == 0 && len(a.held) == 0 }
