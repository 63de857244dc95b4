package crypto

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics have the names of Corda 5.0.
type metrics struct{ creation *prometheus.HistogramVec }

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "corda_crypto_wrapping_key_creation_time_seconds", Help: "Time to make a tenant's wrapping key.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
	}, []string{"tenant"})}
	r.MustRegister(m.creation)
	return m
}

func (m *metrics) created(tenant string, took time.Duration) {
	m.creation.WithLabelValues(tenant).Observe(took.Seconds())
}
