package sandbox

// Credentials are what a user needs to reach into a sandbox. They are told only over the supervisor's socket.
type Credentials struct {
	REST       RESTCredentials     `json:"rest"`
	PostgreSQL PostgresCredentials `json:"postgres"`
	Databases  map[string]Database `json:"databases"` // logical databases of the cluster by name: config, rbac, crypto
	Kafka      string              `json:"kafka"`     // host:port of each broker, with commas between; no authentication
}

// RESTCredentials are those of the cluster's REST API.
type RESTCredentials struct {
	URL       string `json:"url"` // https://127.0.0.1:PORT/api/v1
	Login     string `json:"login"`
	Password  string `json:"password"`
	Authority string `json:"authority"` // PEM of the certificate authority that signed the API's certificate
}

// PostgresCredentials are those of PostgreSQL's superuser.
type PostgresCredentials struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// Database is where a logical database lies.
type Database struct {
	Database string `json:"database"`
	Schema   string `json:"schema"`
}
