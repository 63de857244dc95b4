package topology

import (
	"net"
	"strconv"
	"testing"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/sandbox"
)

func TestBrokerSettings(t *testing.T) {
	t.Parallel()
	broker := servers.Brokers(t)[0]
	_, text, err := net.SplitHostPort(broker)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	s := Source{Brokers: broker, Nodes: []sandbox.Node{{Name: "kafka-1", Ports: map[string]int{"broker": number}}}}
	settings, err := BrokerSettings(s, "kafka-1")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]sandbox.Setting{}
	for _, one := range settings {
		got[one.Name] = one
	}
	if one := got["auto.create.topics.enable"]; one.Value != "false" || one.From != "file" {
		t.Errorf("settings are %v", settings)
	}
	if _, err := BrokerSettings(s, "kafka-2"); err == nil {
		t.Error("there is a second broker")
	}
}

func TestTopicNames(t *testing.T) {
	t.Parallel()
	o := observe(t)
	names, err := TopicNames(o.watcher.source())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if name == "uniqueness.check" {
			return
		}
	}
	t.Errorf("topics are %v", names)
}
