package probe

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// PostgreSQL is ready when it lets the user in and answers a query.
type PostgreSQL struct {
	Port     int
	User     string
	Password string
	Database string
}

// Ask connects and runs SELECT 1.
func (p PostgreSQL) Ask(ctx context.Context) error {
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return err
	}
	config.Host, config.Port = "127.0.0.1", uint16(p.Port) //nolint:gosec // a port
	config.User, config.Password, config.Database = p.User, p.Password, p.Database
	config.Fallbacks = nil
	config.RuntimeParams["application_name"] = "cordage probe"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "SELECT 1")
	return err
}

func (p PostgreSQL) String() string {
	return fmt.Sprintf("PostgreSQL on port %d to answer a query", p.Port)
}
