package balance

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the balancer, by upstream. Corda has no balancer of its own, so the names are Cordage's.
type metrics struct {
	requests *prometheus.CounterVec
	times    *prometheus.HistogramVec
	retries  *prometheus.CounterVec
	ready    *prometheus.GaugeVec
	inFlight *prometheus.GaugeVec
}

func newMetrics(to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cordage_lb_requests_total", Help: "Requests that an upstream answered.",
		}, []string{"upstream", "http_method", "status"}),
		times: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cordage_lb_request_time_seconds", Help: "Time until an upstream's answer began.",
		}, []string{"upstream"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cordage_lb_retries_total", Help: "Requests that were sent to another upstream after this one failed.",
		}, []string{"upstream", "reason"}),
		ready: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cordage_lb_upstream_ready", Help: "1 if the upstream gets requests.",
		}, []string{"upstream"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cordage_lb_in_flight", Help: "Requests that an upstream has and has not answered.",
		}, []string{"upstream"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.times, m.retries, m.ready, m.inFlight} {
		if err := to.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) answered(node, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(node, knownMethod(method), strconv.Itoa(status)).Inc()
	m.times.WithLabelValues(node).Observe(took.Seconds())
}

func (m *metrics) retried(node string, connected bool) {
	reason := "refused"
	if connected {
		reason = "lost"
	}
	m.retries.WithLabelValues(node, reason).Inc()
}

func (m *metrics) setReady(node string, ready bool) {
	value := 0.0
	if ready {
		value = 1
	}
	m.ready.WithLabelValues(node).Set(value)
}

// forget drops the state of an upstream that is gone; what it did stays counted.
func (m *metrics) forget(node string) { m.ready.DeleteLabelValues(node) }

// knownMethod bounds the label: clients can make methods up.
func knownMethod(method string) string {
	switch method {
	case "GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH":
		return method
	}
	return "other"
}
