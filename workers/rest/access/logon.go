package access

import (
	"container/list"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// Verdicts on passwords are remembered, as in Corda 5.0, since each takes 20 ms to find.
const (
	rememberedLogons = 1000
	rememberedFor    = 10 * time.Minute
)

// logons remembers verdicts. A key holds the stored hash too, so a changed password counts at once; in Corda 5.0 the old
// one may go on working for ten minutes. Keys are made with a secret of this process: nothing in memory can be tested
// against guessed passwords quickly without it.
type logons struct {
	secret [32]byte

	mu     sync.Mutex
	recent *list.List // of verdict, the latest used first
	byKey  map[logonKey]*list.Element
}

type logonKey [sha256.Size]byte

type verdict struct {
	key   logonKey
	err   error
	until time.Time
}

func newLogons() *logons {
	l := &logons{recent: list.New(), byKey: map[logonKey]*list.Element{}}
	_, _ = rand.Read(l.secret[:]) // never fails
	return l
}

func (l *logons) key(login, password string, user record.User) logonKey {
	mac := hmac.New(sha256.New, l.secret[:])
	for _, part := range []string{login, password, user.HashedPassword, user.SaltValue} {
		sum := sha256.Sum256([]byte(part)) // of fixed length, so that parts cannot flow into each other
		mac.Write(sum[:])
	}
	return logonKey(mac.Sum(nil))
}

// get gives the verdict on a key, if it is known.
func (l *logons) get(key logonKey) (err error, known bool) { //nolint:revive // the error is a value here, not a failure
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[key]
	if !ok {
		return nil, false
	}
	v, _ := e.Value.(verdict)
	if time.Now().After(v.until) {
		l.recent.Remove(e)
		delete(l.byKey, key)
		return nil, false
	}
	l.recent.MoveToFront(e)
	return v.err, true
}

func (l *logons) put(key logonKey, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byKey[key]; ok {
		l.recent.Remove(e)
	}
	l.byKey[key] = l.recent.PushFront(verdict{key, err, time.Now().Add(rememberedFor)})
	if l.recent.Len() > rememberedLogons {
		last := l.recent.Back()
		v, _ := last.Value.(verdict)
		l.recent.Remove(last)
		delete(l.byKey, v.key)
	}
}
