package uniqueness

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics have the names and labels of Corda 5.0. Where 5.0 times the commit for itself,
// db_commit_time is that of the one round trip that writes and commits.
//
// Source: Corda 5.0, CordaMetrics.kt.
type metrics struct {
	batchTime, batchSize      prometheus.Observer
	groupTime, groupSize      *prometheus.HistogramVec
	transactionTime, attempts *prometheus.HistogramVec
	sessionTime, readTime     *prometheus.HistogramVec
	commitTime                *prometheus.HistogramVec
	requests, failures        *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	const (
		node    = "virtualnode_source"
		checker = "corda_uniqueness_checker_"
		store   = "corda_uniqueness_backingstore_"
	)
	seconds := prometheus.ExponentialBuckets(0.0005, 2, 16) // 0.5 ms to 16 s
	sizes := prometheus.ExponentialBuckets(1, 2, 14)        // 1 to 8,192
	batchTime := histogram(r, checker+"batch_execution_time_seconds", "Time to decide one batch.", seconds)
	batchSize := histogram(r, checker+"batch_size", "Requests in one batch.", sizes)
	return &metrics{
		batchTime: batchTime.WithLabelValues(),
		batchSize: batchSize.WithLabelValues(),
		groupTime: histogram(r, checker+"subbatch_execution_time_seconds", "Time to decide one virtual node's requests of a batch.", seconds, node),
		groupSize: histogram(r, checker+"subbatch_size", "Requests of one virtual node in a batch.", sizes, node),
		requests: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: checker + "request_count", Help: "Requests decided.",
		}, []string{node, "result_type", "duplicate", "error_type"})),
		sessionTime:     histogram(r, store+"session_execution_time_seconds", "Time of one transaction with all its attempts.", seconds, node),
		transactionTime: histogram(r, store+"transaction_execution_time_seconds", "Time of one transaction with all its attempts.", seconds, node),
		attempts:        histogram(r, store+"transaction_attempts", "Attempts that a transaction took.", prometheus.LinearBuckets(1, 1, maxAttempts), node),
		failures: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: store + "transaction_error_count", Help: "Failed attempts.",
		}, []string{node, "error_type"})),
		commitTime: histogram(r, store+"db_commit_time_seconds", "Time to write and commit the verdicts.", seconds, node),
		readTime:   histogram(r, store+"db_read_time_seconds", "Time to read transactions and states.", seconds, node, "operation_name"),
	}
}

func histogram(r prometheus.Registerer, name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels))
}

// register gives the collector that is registered already, if there is one.
func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if r == nil {
		return c
	}
	if err := r.Register(c); err != nil {
		if earlier, ok := err.(prometheus.AlreadyRegisteredError); ok { //nolint:errorlint // a value, never wrapped
			if same, ok := earlier.ExistingCollector.(C); ok {
				return same
			}
		}
		panic(err) // two metrics of one name: a mistake in this program
	}
	return c
}

func (m *metrics) batch(took time.Duration, requests int) {
	m.batchTime.Observe(took.Seconds())
	m.batchSize.Observe(float64(requests))
}

func (m *metrics) group(node string, took time.Duration, requests int) {
	m.groupTime.WithLabelValues(node).Observe(took.Seconds())
	m.groupSize.WithLabelValues(node).Observe(float64(requests))
}

func (m *metrics) result(node string, r *Result) {
	m.requests.WithLabelValues(node, string(r.Kind), strconv.FormatBool(r.Earlier), r.ErrorType).Inc()
}

func (m *metrics) transaction(node string, took time.Duration, attempts int) {
	m.sessionTime.WithLabelValues(node).Observe(took.Seconds())
	m.transactionTime.WithLabelValues(node).Observe(took.Seconds())
	m.attempts.WithLabelValues(node).Observe(float64(attempts))
}

func (m *metrics) failure(node string, why cause) {
	m.failures.WithLabelValues(node, string(why)).Inc()
}

func (m *metrics) read(node, operation string, took time.Duration) {
	m.readTime.WithLabelValues(node, operation).Observe(took.Seconds())
}

func (m *metrics) write(node string, took time.Duration) {
	m.commitTime.WithLabelValues(node).Observe(took.Seconds())
}
