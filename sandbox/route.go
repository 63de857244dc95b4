package sandbox

// Routes tell how the nodes of a sandbox reach each other. People and the supervisor do not use them: for them every port
// is on 127.0.0.1.
type Routes interface {
	// Address is where another node reaches a port of a node, as host:port; number is the port on 127.0.0.1.
	Address(node, purpose string, number int) string
	// Bind is what a worker listens on for a port that is number on 127.0.0.1, as host:port.
	Bind(number int) string
	// Host is how nodes reach the supervisor.
	Host() HostRoute
}

// HostRoute is the way from the nodes to the supervisor.
type HostRoute struct {
	Listen string // host that the supervisor listens on
	Reach  string // host by which nodes reach it
}
