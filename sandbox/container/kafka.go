package container

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/serverconf"
)

// kafkaData is where images have Kafka's data as a volume.
const kafkaData = "/var/lib/kafka/data"

// kafkaEntry reads server.properties, formats new storage and runs the broker.
const kafkaEntry = `set -eu
umask 077
cat >` + filesDir + `/server.properties
printf %s "$CORDAGE_LOG4J" >` + filesDir + `/log4j.properties
if [ ! -s ` + kafkaData + `/meta.properties ]; then
  kafka-storage format --ignore-formatted --cluster-id "$CORDAGE_CLUSTER" --config ` + filesDir + `/server.properties
fi
exec kafka-server-start ` + filesDir + `/server.properties`

// planKafka keeps to what images of Kafka have in common: kafka-storage and kafka-server-start on PATH, their KAFKA_*_OPTS
// variables, and data in /var/lib/kafka/data.
func (r *Runtime) planKafka(spec sandbox.NodeSpec) (plan, error) {
	number := spec.Ports[purposeBroker]
	if number == 0 {
		return plan{}, fmt.Errorf("start %s: it needs a port %q", spec.Name, purposeBroker)
	}
	settings, err := kafkaSettings(spec)
	if err != nil {
		return plan{}, err
	}
	flags := serverconf.JVMFlags()
	sum := sha256.Sum256([]byte("cordage cluster " + r.owner))
	return plan{
		entry: []string{"/bin/sh", "-c", kafkaEntry},
		env: map[string]string{
			"CORDAGE_CLUSTER": base64.RawURLEncoding.EncodeToString(sum[:16]), "CORDAGE_LOG4J": serverconf.KafkaLog,
			"KAFKA_HEAP_OPTS": flags[0], "KAFKA_JVM_PERFORMANCE_OPTS": strings.Join(flags[1:], " ") + " -Djava.io.tmpdir=/tmp",
			"KAFKA_LOG4J_OPTS": "-Dlog4j.configuration=file:" + filesDir + "/log4j.properties",
			"LOG_DIR":          "/tmp", "EXTRA_ARGS": " ", "LC_ALL": "C", "TZ": "UTC",
		},
		stdin: properties(settings), ports: map[int]int{hostInside: number},
		tmpfs:  map[string]string{"/tmp": "rw,nosuid,nodev,exec,size=128m,mode=1777"}, // compression libraries unpack themselves there
		volume: kafkaData,
		health: healthCheck("/bin/bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d", brokerInside)),
	}, nil
}

// kafkaSettings are the broker's. It has a listener for the network, which advertises the node's name, and one for what
// comes in through the published port, which advertises that.
func kafkaSettings(spec sandbox.NodeSpec) (map[string]string, error) {
	peers := spec.Peers
	if len(peers) == 0 {
		peers = map[string]int{spec.Name: controllerInside}
	}
	id, voters, controls := 0, []string{}, false
	for i, name := range slices.Sorted(maps.Keys(peers)) {
		if peers[name] != 0 {
			voters = append(voters, fmt.Sprintf("%d@%s:%d", i+1, name, controllerInside))
		}
		if name == spec.Name {
			id, controls = i+1, peers[name] != 0
		}
	}
	switch names := slices.Sorted(maps.Keys(peers)); {
	case id == 0:
		return nil, fmt.Errorf("start %s: it is none of its peers, %v", spec.Name, names)
	case len(voters) == 0:
		return nil, fmt.Errorf("start %s: none of %v is a controller", spec.Name, names)
	}
	s := serverconf.Kafka(len(peers))
	maps.Copy(s, map[string]string{
		"process.roles":                  "broker",
		"node.id":                        fmt.Sprint(id),
		"controller.quorum.voters":       strings.Join(voters, ","),
		"listeners":                      fmt.Sprintf("BROKER://0.0.0.0:%d,HOST://0.0.0.0:%d", brokerInside, hostInside),
		"advertised.listeners":           fmt.Sprintf("BROKER://%s:%d,HOST://127.0.0.1:%d", spec.Name, brokerInside, spec.Ports[purposeBroker]),
		"listener.security.protocol.map": "BROKER:PLAINTEXT,HOST:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name":     "BROKER",
		"controller.listener.names":      "CONTROLLER",
		"log.dirs":                       kafkaData,
	})
	if controls {
		s["process.roles"] = "broker,controller"
		s["listeners"] += fmt.Sprintf(",CONTROLLER://0.0.0.0:%d", controllerInside)
	}
	maps.Copy(s, spec.Settings)
	return s, nil
}

// properties writes a Java properties file. Names and values of Kafka's settings are plain ASCII.
func properties(p map[string]string) []byte {
	var b bytes.Buffer
	for _, k := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", k, strings.ReplaceAll(strings.ReplaceAll(p[k], `\`, `\\`), "\n", `\n`))
	}
	return b.Bytes()
}
