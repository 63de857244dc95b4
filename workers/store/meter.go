package store

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Option changes a pool.
type Option func(*pgxpool.Config) error

// CountStatements counts the statements of a pool, and of those that [NewConnections] finds through it, by the user that
// makes them: cordage_store_statements_total, which Corda 5.0 does not have. What begins and ends transactions is left out.
func CountStatements(r prometheus.Registerer) Option {
	return func(config *pgxpool.Config) error {
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cordage_store_statements_total", Help: "Statements sent to PostgreSQL.",
		}, []string{"user"})
		if err := r.Register(vec); err != nil {
			already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err)
			if !ok {
				return err
			}
			if vec, ok = already.ExistingCollector.(*prometheus.CounterVec); !ok {
				return err
			}
		}
		counted(config, vec)
		return nil
	}
}

// counted makes the pool's tracer count.
func counted(config *pgxpool.Config, vec *prometheus.CounterVec) {
	if t, ok := config.ConnConfig.Tracer.(tracer); ok && vec != nil {
		t.all, t.statements = vec, vec.WithLabelValues(config.ConnConfig.User)
		config.ConnConfig.Tracer = t
	}
}

// counter is what the statements of a pool are counted with; nil if they are not.
func counter(pool *pgxpool.Pool) *prometheus.CounterVec {
	if pool == nil {
		return nil
	}
	t, _ := pool.Config().ConnConfig.Tracer.(tracer)
	return t.all
}

// count counts statements.
func (t tracer) count(n int) {
	if t.statements != nil {
		t.statements.Add(float64(n))
	}
}

// framesTransaction tells of statements that begin or end a transaction.
func framesTransaction(sql string) bool {
	word, _, _ := strings.Cut(sql, " ")
	switch strings.ToLower(word) {
	case "begin", "commit", "rollback":
		return true
	}
	return false
}
