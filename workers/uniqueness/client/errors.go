package client

import (
	"errors"
	"fmt"
	"time"
)

var errEnded = errors.New("check uniqueness: answers are heard no more, the client has ended")

// TimeoutError tells that a batch was not answered in time. What the checker decided meanwhile stays decided: asking
// again gets those verdicts.
type TimeoutError struct {
	Operation string
	Limit     time.Duration
	Asked     int
	Answered  int
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s: %d of %d requests were answered within %v", e.Operation, e.Answered, e.Asked, e.Limit)
}

// Hint says what to look at.
func (e *TimeoutError) Hint() string {
	return "see with cordage status whether a database worker is ready; asking again is safe"
}
