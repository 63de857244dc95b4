package tuitest

import (
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Steps are those of a start that is under way for four seconds: Kafka is just ready.
func Steps() []sandbox.Step {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	done := func(name, about string, from, to int, after ...string) sandbox.Step {
		return sandbox.Step{Name: name, About: about, After: after, State: sandbox.StepDone, Started: ms(from), Ended: ms(to)}
	}
	return []sandbox.Step{
		done("prepare", "have PostgreSQL, Kafka and Java at hand", 0, 16),
		done("postgres", "start PostgreSQL", 16, 540, "prepare"),
		done("kafka-1", "start Kafka", 16, 2930, "prepare"),
		done("databases", "make the cluster's databases, users and tables", 540, 830, "postgres"),
		{Name: "topics", About: "make the topics and set the clock", After: []string{"kafka-1"}, State: sandbox.StepRunning, Started: ms(2930), Detail: "84 topics", Done: 0.4},
		{Name: "database-1", About: "start the database worker", After: []string{"databases", "topics"}, State: sandbox.StepWaiting},
		{Name: "rest-1", About: "start the rest worker", After: []string{"databases", "topics"}, State: sandbox.StepWaiting},
		{Name: "lb-1", About: "start the lb worker", State: sandbox.StepRunning, Started: ms(16)},
		{Name: "rest-api", About: "answer the REST API through the load balancer", After: []string{"rest-1", "lb-1"}, State: sandbox.StepWaiting},
	}
}
