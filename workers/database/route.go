package database

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// externalChannel is a channel of a CPK's config/external-channels.json.
type externalChannel struct {
	Name string `json:"name"`
	Type string `json:"type"` // SEND or SEND_RECEIVE
}

// findChannels reads the external channels of all CPKs of the plan's CPI.
func (c *creator) findChannels(ctx context.Context, conn *pgx.Conn, p *plan) error {
	rows, err := conn.Query(ctx, `
		SELECT m.metadata FROM cpi_cpk c JOIN cpk_metadata m ON m.file_checksum = c.cpk_file_checksum
		WHERE c.cpi_name = $1 AND c.cpi_version = $2 AND c.cpi_signer_summary_hash = $3 AND NOT c.is_deleted
		ORDER BY m.file_checksum`, p.cpi.Name, p.cpi.Version, p.cpi.SignerSummaryHash)
	if err != nil {
		return fmt.Errorf("read the CPKs of CPI %s: %w", p.cpi.Name, err)
	}
	p.channels = nil
	var text string
	_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
		var m record.CPKMetadata
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return err
		}
		if m.ExternalChannels == nil {
			return nil
		}
		var config struct {
			Channels []externalChannel `json:"channels"`
		}
		if err := json.Unmarshal(*m.ExternalChannels, &config); err != nil {
			return err
		}
		p.channels = append(p.channels, config.Channels...)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the CPKs of CPI %s: %w", p.cpi.Name, err)
	}
	return nil
}

// Routes of external messages as they stand in virtual_node.external_messaging_route_config.
//
// Source: Corda 5.0, RouteConfiguration.kt.
type routeConfiguration struct {
	Current  routes   `json:"currentRoutes"`
	Previous []routes `json:"previousVersionRoutes"`
}

type routes struct {
	CPI    record.CPIIdentifier `json:"cpiIdentifier"`
	Routes []externalRoute      `json:"routes"`
}

type externalRoute struct {
	Channel  string `json:"channelName"`
	Topic    string `json:"externalReceiveTopicName"`
	Active   bool   `json:"active"`
	Inactive string `json:"inactiveResponseType"`
}

// routes are the routes of the plan's channels by the defaults of corda.externalMessaging; nil where there are no channels.
func (c *creator) routes(p *plan) (*string, error) {
	if len(p.channels) == 0 {
		return nil, nil //nolint:nilnil // no routes is a value
	}
	var external struct {
		Defaults struct {
			Pattern  string `json:"receiveTopicPattern"`
			Active   bool   `json:"active"`
			Inactive string `json:"inactiveResponseType"`
		} `json:"routeDefaults"`
	}
	section, _ := c.sections.Get("corda.externalMessaging")
	if err := json.Unmarshal(section.Value, &external); err != nil {
		return nil, fmt.Errorf("read configuration section corda.externalMessaging: %w", err)
	}
	config := routeConfiguration{Current: routes{CPI: p.cpi}, Previous: []routes{}}
	for _, channel := range p.channels {
		topic := strings.NewReplacer("$HOLDING_ID", string(p.hash), "$CHANNEL_NAME", channel.Name).Replace(external.Defaults.Pattern)
		config.Current.Routes = append(config.Current.Routes,
			externalRoute{channel.Name, topic, external.Defaults.Active, external.Defaults.Inactive})
	}
	text := record.Key(config)
	return &text, nil
}
