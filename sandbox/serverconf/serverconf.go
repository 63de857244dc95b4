// Package serverconf has what a sandbox sets at PostgreSQL and Kafka over their own defaults, whichever runtime runs them.
// Workers must not import it.
package serverconf

import (
	"fmt"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// PostgreSQL are entries of postgresql.conf, but for where the server listens.
func PostgreSQL() map[string]string {
	return map[string]string{
		"password_encryption": "scram-sha-256",
		"max_connections":     "300",  // ten virtual nodes with three schemas, several replicas of each worker
		"shared_buffers":      "64MB", // a laptop runs several sandboxes
		"fsync":               "on",
		"logging_collector":   "off", // to stderr, which is the node's log
		"log_destination":     "stderr",
		"log_line_prefix":     "%m [%p] %q%u@%d %a ",
		"log_timezone":        "UTC",
		"timezone":            "UTC",
		"lc_messages":         "C",
		"jit":                 "off", // its start costs more than our short statements
		"max_wal_size":        "1GB",
	}
}

// Kafka are entries of server.properties for a cluster of so many brokers, but for where they listen and who they are.
func Kafka(brokers int) map[string]string {
	copies := fmt.Sprint(min(sandbox.Replication, brokers))
	inSync := fmt.Sprint(min(sandbox.MinInSync, brokers))
	return map[string]string{
		"process.roles":                            "broker,controller",
		"auto.create.topics.enable":                "false", // a misspelt name must fail
		"group.initial.rebalance.delay.ms":         "0",     // do not wait for more consumers: every start would
		"default.replication.factor":               copies,
		"offsets.topic.replication.factor":         copies,
		"offsets.topic.num.partitions":             "3",
		"transaction.state.log.replication.factor": copies,
		"transaction.state.log.min.isr":            inSync,
		"min.insync.replicas":                      inSync,
		"transaction.state.log.num.partitions":     "3",
		"log.cleaner.dedupe.buffer.size":           "4194304", // Kafka's default takes 128 MiB of heap
		"num.network.threads":                      "2",
		"num.io.threads":                           "4",
		// A broker that was killed may register again only when its session has ended (9 s by default).
		"broker.heartbeat.interval.ms": "400",
		"broker.session.timeout.ms":    "2000",
		// A broker that comes back leads its partitions again within seconds (5 min by default). That also ends transactions
		// which Kafka 3.2 can leave half committed when their coordinator moves (KAFKA-16352): it moves once more.
		"leader.imbalance.check.interval.seconds": "5",
	}
}

// JVMFlags of Kafka are for a quick start and little memory: one compiler, one collector thread, no files in /tmp.
func JVMFlags() []string {
	return []string{
		"-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k",
		"-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true", "-Xshare:auto",
	}
}

// KafkaLog is a log4j configuration that sends everything to stdout, as Kafka's own configuration does, without the pages
// of configuration values that every part prints at its start.
const KafkaLog = `log4j.rootLogger=INFO, stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=[%d{ISO8601}] %p %m (%c)%n
log4j.logger.kafka.server.KafkaConfig=WARN
log4j.logger.kafka.server.KafkaRaftServer=INFO
log4j.logger.kafka.utils.Log4jControllerRegistration$=WARN
log4j.logger.org.apache.kafka.common.config=WARN
log4j.logger.org.apache.kafka.clients=WARN
log4j.logger.org.apache.zookeeper=WARN
log4j.logger.kafka.log.LogCleaner=WARN
`
