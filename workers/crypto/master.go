package crypto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// sectionCrypto is the configuration section that the master keys come from.
const sectionCrypto = "corda.crypto"

// masterKeys are the master keys of the configuration. They are derived anew when the section changes; a section that
// cannot be used is logged, and the keys before it stay in force.
type masterKeys struct {
	secrets  *keys.Secrets
	sections *bus.Compacted[record.Configuration]
	status   telemetry.Mark
	log      *slog.Logger
	changed  chan struct{} // wakes Run
	usable   chan struct{} // closed when the first keys are there

	mu      sync.RWMutex
	byAlias map[string]*keys.MasterKey
	first   string // alias of the key that wraps new keys
}

func newMasterKeys(s *keys.Secrets, sections *bus.Compacted[record.Configuration], status telemetry.Mark, log *slog.Logger) *masterKeys {
	m := &masterKeys{secrets: s, sections: sections, status: status, log: log,
		changed: make(chan struct{}, 1), usable: make(chan struct{})}
	sections.OnChange(func(_ context.Context, section string, _, _ *record.Configuration) {
		if section == sectionCrypto {
			select {
			case m.changed <- struct{}{}:
			default:
			}
		}
	})
	return m
}

// Run derives the keys until ctx ends. It is ready when there are any.
func (m *masterKeys) Run(ctx context.Context, ready func()) error {
	m.status.Down("waiting for configuration section " + sectionCrypto)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.changed:
		}
		section, ok := m.sections.Get(sectionCrypto)
		if !ok {
			continue
		}
		byAlias, first, err := deriveMasters(section.Value, m.secrets)
		if err != nil {
			m.log.ErrorContext(ctx, "configuration section corda.crypto cannot be used", "version", section.Version, "error", err)
			m.status.Down(fmt.Sprintf("configuration section %s, version %d: %v", sectionCrypto, section.Version, err))
			continue
		}
		m.mu.Lock()
		fresh := m.byAlias == nil
		m.byAlias, m.first = byAlias, first
		m.mu.Unlock()
		if fresh {
			close(m.usable)
			ready()
		}
		m.status.Up()
		m.log.InfoContext(ctx, "master keys are derived", "version", section.Version, "keys", len(byAlias), "default", first)
	}
}

// behind gives what is started when the first keys are there.
func (m *masterKeys) behind(run func(ctx context.Context, ready func()) error) func(ctx context.Context, ready func()) error {
	return func(ctx context.Context, ready func()) error {
		select {
		case <-m.usable:
			return run(ctx, ready)
		case <-ctx.Done():
			return nil
		}
	}
}

// current is the key that wraps new keys.
func (m *masterKeys) current() (*keys.MasterKey, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.byAlias == nil {
		return nil, errors.New("there is no master key yet: configuration section " + sectionCrypto + " has not been read")
	}
	return m.byAlias[m.first], nil
}

// deriveMasters reads the wrapping keys of the section's soft HSM. Errors show no secret.
//
// Source: Corda 5.0, corda.crypto hsm.
func deriveMasters(section json.RawMessage, s *keys.Secrets) (map[string]*keys.MasterKey, string, error) {
	var config struct {
		HSM struct {
			Default string `json:"defaultWrappingKey"`
			Keys    []struct {
				Alias      string          `json:"alias"`
				Passphrase json.RawMessage `json:"passphrase"`
				Salt       json.RawMessage `json:"salt"`
			} `json:"wrappingKeys"`
		} `json:"hsm"`
	}
	if err := json.Unmarshal(section, &config); err != nil {
		return nil, "", errors.New("it is not of the expected shape")
	}
	byAlias := map[string]*keys.MasterKey{}
	for _, k := range config.HSM.Keys {
		passphrase, err := s.Reveal(k.Passphrase)
		if err != nil {
			return nil, "", fmt.Errorf("passphrase of wrapping key %s: %w", k.Alias, err)
		}
		salt, err := s.Reveal(k.Salt)
		if err != nil {
			return nil, "", fmt.Errorf("salt of wrapping key %s: %w", k.Alias, err)
		}
		if byAlias[k.Alias], err = keys.DeriveMaster(k.Alias, passphrase, salt); err != nil {
			return nil, "", fmt.Errorf("wrapping key %s: %w", k.Alias, err)
		}
	}
	if byAlias[config.HSM.Default] == nil {
		return nil, "", fmt.Errorf("its default wrapping key %q is not in its list of wrapping keys", config.HSM.Default)
	}
	return byAlias, config.HSM.Default, nil
}
