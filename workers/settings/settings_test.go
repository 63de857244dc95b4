package settings_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/workers/settings"
)

// The defaults that Corda 5.0 publishes for untouched sections, and Cordage's own.
func TestDefaults(t *testing.T) {
	t.Parallel()
	for section, want := range map[string]string{
		"corda.messaging": `{"maxAllowedMessageSize":972800,"publisher":{"closeTimeout":600,"transactional":true},
			"subscription":{"pollTimeout":500,"threadStopTimeout":10000,"processorRetries":3,"subscribeRetries":3,"commitRetries":3,"processorTimeout":15000}}`,
		"corda.db": `{"database":{"jdbc":{"driver":"org.postgresql.Driver","directory":"/opt/jdbc-driver",
			"url":"jdbc:postgresql://cluster-db:5432/cordacluster"},"pool":{"max_size":10}}}`,
		"corda.flow": `{"processing":{"maxRetryAttempts":5,"maxRetryDelay":16000,"maxFlowSleepDuration":900000,"cleanupTime":600000},
			"session":{"messageResendWindow":120000,"heartbeatTimeout":1800000,"missingCounterpartyTimeout":300000,"p2pTTL":300000,"cleanupTime":600000},
			"event":{"messageResendWindow":60000,"maxRetries":5}}`,
		"corda.p2p.gateway": `{"serversConfiguration":[{"hostAddress":"0.0.0.0","hostPort":8080,"urlPath":"/"}],
			"sslConfig":{"tlsType":"ONE_WAY","revocationCheck":{"mode":"SOFT_FAIL"}},"maxRequestSize":500000000,
			"connectionConfig":{"maxClientConnections":100,"acquireTimeout":10,"connectionIdleTimeout":60,"responseTimeout":3000,"retryDelay":2000,
			"initialReconnectionDelay":1,"maxReconnectionDelay":16}}`,
		"corda.p2p.linkManager": `{"maxMessageSize":1000000,"maxReplayingMessages":100,"heartbeatMessagePeriod":2000,"sessionTimeout":10000,
			"sessionsPerPeer":4,"sessionRefreshThreshold":432000,"revocationCheck":{"mode":"SOFT_FAIL"},"replayAlgorithm":{"constant":{"messageReplayPeriod":2000}}}`,
		"corda.rest": `{"address":"0.0.0.0:8888","context":{"title":"REST","description":"Exposing REST interfaces as OpenAPI WebServices."},
			"maxContentLength":200000000,"endpoint":{"timeoutMs":12000},"websocket":{"idleTimeoutMs":30000}}`,
		"corda.membership": `{"maxDurationBetweenSyncRequestsMinutes":480,"TTLs":{"membersPackageUpdate":10,"declineRegistration":8,
			"updateToPendingAutoApproval":3,"verifyMemberRequest":20,"waitForMgmSession":30}}`,
		"corda.reconciliation": `{"permissionSummaryIntervalMs":30000,"cpkWriteIntervalMs":10000,"cpiInfoIntervalMs":30000,"vnodeInfoIntervalMs":30000,
			"configIntervalMs":30000,"groupParamsIntervalMs":120000,"mtlsMgmAllowedCertificateSubjectsIntervalMs":120000}`,
		"corda.sandbox": `{"flow":{"cache":{"size":10}},"persistence":{"cache":{"size":10}},"verification":{"cache":{"size":10}}}`,
		"corda.ledger.utxo": `{"tokens":{"minDelayBeforeNextFullSync":300,"minDelayBeforeNextPeriodicSync":30,"fullSyncBlockSize":1000,
			"periodCheckBlockSize":5000,"sendWakeUpMaxRetryAttempts":6,"sendWakeUpMaxRetryDelay":10}}`,
		"corda.externalMessaging": `{"routeDefaults":{"receiveTopicPattern":"ext.$HOLDING_ID.$CHANNEL_NAME.receive","active":true,"inactiveResponseType":"ERROR"}}`,
		"corda.crypto": `{"caching":{"expireAfterAccessMins":{"default":60},"maximumSize":{"default":10000}},
			"retrying":{"maxAttempts":{"default":3},"waitBetweenMills":{"default":[200]}}}`,
		"corda.security":    `{}`,
		"corda.secrets":     `{}`,
		"cordage.packaging": `{"expiredCodeSigners":"refuse"}`,
	} {
		t.Run(section, func(t *testing.T) {
			t.Parallel()
			got, err := settings.WithDefaults(section, "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decode(t, want), decode(t, string(got))); diff != "" {
				t.Errorf("defaults differ (- want, + got):\n%s", diff)
			}
			if section == "corda.crypto" || section == "corda.security" { // parts of them have no default
				return
			}
			if err := settings.Validate(section, string(got)); err != nil {
				t.Errorf("the defaults are not valid: %v", err)
			}
		})
	}
}

func TestSections(t *testing.T) {
	t.Parallel()
	sections := settings.Sections()
	if len(sections) != 15 {
		t.Errorf("there are %d sections: %v; want 15", len(sections), sections)
	}
	for _, s := range sections {
		text, err := settings.Schema(s)
		if err != nil || !json.Valid(text) {
			t.Errorf("schema of %s: valid JSON %v, error %v", s, json.Valid(text), err)
		}
	}
	for _, unknown := range []string{"corda.vnode.datasource", "", "../settings.go", "corda.REST"} {
		_, schemaErr := settings.Schema(unknown)
		_, defaultsErr := settings.WithDefaults(unknown, "")
		for what, err := range map[string]error{"Schema": schemaErr, "WithDefaults": defaultsErr, "Validate": settings.Validate(unknown, "{}")} {
			if !errors.Is(err, settings.ErrUnknownSection) {
				t.Errorf("%s(%q) error = %v, want ErrUnknownSection", what, unknown, err)
			}
		}
	}
}

const secret = `{"configSecret":{"encryptedSecret":"AAAA"}}`

func TestValidate(t *testing.T) {
	t.Parallel()
	const wrapping = `"hsm":{"defaultWrappingKey":"root1","wrappingKeys":[{"alias":"root1","salt":` + secret + `,"passphrase":` + secret + `}]}`
	for name, tc := range map[string]struct {
		section, text string
		want          []string // each fault's path and a part of its text; none: valid
	}{
		"blank":                      {"corda.flow", " \n", nil},
		"secrets count as strings":   {"corda.crypto", `{` + wrapping + `}`, nil},
		"null is for ever":           {"corda.membership", `{"TTLs":{"declineRegistration":null}}`, nil},
		"unknown at the top of flow": {"corda.flow", `{"x":1}`, nil},
		"unknown at the top of rest": {"corda.rest", `{"x":1}`, nil},
		"unknown in sslConfig":       {"corda.p2p.gateway", `{"sslConfig":{"x":1}}`, nil},
		"unknown in bus":             {"corda.messaging", `{"bus":{"x":1}}`, nil},
		"any Kafka property":         {"corda.messaging", `{"bus":{"busType":"KAFKA","kafkaProperties":{"common":{"a.b":1},"roles":{"r":{"producer":{"c":"d"}}}}}}`, nil},
		"an integer as 3e4":          {"corda.reconciliation", `{"configIntervalMs":3e4}`, nil},
		"the other replay algorithm": {"corda.p2p.linkManager", `{"replayAlgorithm":{"exponentialBackoff":{}}}`, nil},

		"not JSON":         {"corda.flow", `{"x"`, []string{": it is not JSON"}},
		"more than JSON":   {"corda.flow", `{} {}`, []string{": something follows"}},
		"no object":        {"corda.flow", `[1]`, []string{": it is not a JSON object"}},
		"too long":         {"corda.flow", `{"x":"` + strings.Repeat("a", 1<<20) + `"}`, []string{": it is 1048584 bytes long"}},
		"too deep":         {"corda.flow", `{"x":` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `}`, []string{": it is nested deeper"}},
		"number too large": {"corda.flow", `{"event":{"maxRetries":1e300}}`, []string{"/event/maxRetries: the number 1e300 is too large"}},
		"every fault": {"corda.messaging", `{"x":1,"maxAllowedMessageSize":1,"publisher":{"closeTimeout":"1","y":2},"subscription":{"commitRetries":1001}}`,
			[]string{": additional properties 'x'", "/maxAllowedMessageSize: minimum", "/publisher: additional properties 'y'",
				"/publisher/closeTimeout: got string", "/subscription/commitRetries: maximum"}},
		"Kafka without properties":       {"corda.messaging", `{"bus":{"busType":"KAFKA"}}`, []string{"/bus: missing property 'kafkaProperties'"}},
		"database properties for Kafka":  {"corda.messaging", `{"bus":{"busType":"KAFKA","kafkaProperties":{"common":{}},"dbProperties":{}}}`, []string{"/bus/dbProperties:"}},
		"two replay algorithms":          {"corda.p2p.linkManager", `{"replayAlgorithm":{"constant":{},"exponentialBackoff":{}}}`, []string{"/replayAlgorithm: maxProperties"}},
		"no server":                      {"corda.p2p.gateway", `{"serversConfiguration":[]}`, []string{"/serversConfiguration: minItems"}},
		"a wrong path and port":          {"corda.p2p.gateway", `{"serversConfiguration":[{"hostAddress":"h","hostPort":65536,"urlPath":"x"}]}`, []string{"/serversConfiguration/0/hostPort: maximum", "/serversConfiguration/0/urlPath:"}},
		"fraction":                       {"corda.reconciliation", `{"configIntervalMs":5000.5}`, []string{"/configIntervalMs: got number, want integer"}},
		"too often":                      {"corda.reconciliation", `{"configIntervalMs":4999}`, []string{"/configIntervalMs: minimum"}},
		"no policy":                      {"corda.security", ``, []string{": missing property 'policy'"}},
		"no master key":                  {"corda.crypto", `{}`, []string{": missing property 'hsm'"}},
		"unknown default":                {"corda.crypto", strings.Replace(`{`+wrapping+`}`, "root1", "root2", 1), []string{"/hsm/defaultWrappingKey: \"root2\" is not"}},
		"a secret with something beside": {"corda.crypto", strings.Replace(`{`+wrapping+`}`, `"AAAA"}`, `"AAAA"},"x":1`, 1), []string{"/hsm/wrappingKeys/0/salt: a secret must be"}},
		"a secret without its text":      {"corda.crypto", strings.Replace(`{`+wrapping+`}`, `"encryptedSecret":"AAAA"`, `"vaultKey":"k"`, 1), []string{"/hsm/wrappingKeys/0/salt: a secret must be"}},
		"a secret in place of a number":  {"corda.flow", `{"event":{"maxRetries":` + secret + `}}`, []string{"/event/maxRetries: got string"}},
		"a wrong topic pattern":          {"corda.externalMessaging", `{"routeDefaults":{"receiveTopicPattern":"x.$HOLDING_ID"}}`, []string{"/routeDefaults/receiveTopicPattern:"}},
		"Cordage's own":                  {"cordage.packaging", `{"expiredCodeSigners":"maybe"}`, []string{"/expiredCodeSigners: value must be one of"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := settings.Validate(tc.section, tc.text)
			if len(tc.want) == 0 {
				if err != nil {
					t.Fatalf("Validate(%s, %s) = %v; want it valid", tc.section, tc.text, err)
				}
				return
			}
			var invalid *settings.InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("error = %v, want an InvalidError", err)
			}
			var got []string
			for _, f := range invalid.Faults {
				got = append(got, f.Path+": "+f.Why)
			}
			if len(got) != len(tc.want) {
				t.Fatalf("faults are %q, want %q", got, tc.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tc.want[i]) {
					t.Errorf("fault %d is %q, want %q", i, got[i], tc.want[i])
				}
			}
		})
	}
}

func TestWithDefaultsKeepsWhatIsGiven(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ section, text, want string }{
		"secrets":          {"corda.crypto", `{"hsm":{"wrappingKeys":[{"alias":"a","salt":` + secret + `}]}}`, `"salt":` + secret},
		"items":            {"corda.crypto", `{"hsm":{"wrappingKeys":[{"alias":"a"}]}}`, `{"algorithm":"PBKDF2WithHmacSHA256","alias":"a"}`},
		"null":             {"corda.membership", `{"TTLs":{"declineRegistration":null}}`, `"declineRegistration":null`},
		"other algorithm":  {"corda.p2p.linkManager", `{"replayAlgorithm":{"exponentialBackoff":{}}}`, `{"exponentialBackoff":{"baseReplayPeriod":2000,"replayPeriodCutoff":10000}}`},
		"unknown keys":     {"corda.rest", `{"cors":{"allowedOrigins":["*"]},"x":[1]}`, `"x":[1]`},
		"plain integers":   {"corda.reconciliation", `{"configIntervalMs":3e4}`, `"configIntervalMs":30000`},
		"large and exact":  {"corda.messaging", `{"bus":{"kafkaProperties":{"common":{"n":9007199254740993}}}}`, `{"n":9007199254740993}`},
		"no HTML escaping": {"corda.rest", `{"context":{"title":"a&b"}}`, `"title":"a\u0026b"`},
	} {
		got, err := settings.WithDefaults(tc.section, tc.text)
		if err != nil || !strings.Contains(string(got), tc.want) {
			t.Errorf("%s: WithDefaults = %s, %v; want it to hold %s", name, got, err, tc.want)
		}
	}
}

func TestReadReconciliation(t *testing.T) {
	t.Parallel()
	defaults := settings.Reconciliation{
		Config: 30 * time.Second, CPIInfo: 30 * time.Second, CPKWrite: 10 * time.Second, VirtualNodeInfo: 30 * time.Second,
		PermissionSummary: 30 * time.Second, GroupParameters: 2 * time.Minute, MTLSAllowedCertificates: 2 * time.Minute,
	}
	changed := defaults
	changed.CPIInfo = 5 * time.Second
	for name, tc := range map[string]struct {
		text string
		want settings.Reconciliation
		ok   bool
	}{
		"nothing":          {"", defaults, true},
		"one changed":      {`{"cpiInfoIntervalMs":5000}`, changed, true},
		"in other writing": {`{"cpiInfoIntervalMs":5.0e3}`, changed, true},
		"not valid":        {`{"cpiInfoIntervalMs":5000,"configIntervalMs":1}`, defaults, false},
		"not JSON":         {`{`, defaults, false},
	} {
		got, err := settings.ReadReconciliation(json.RawMessage(tc.text))
		if (err == nil) != tc.ok || got != tc.want {
			t.Errorf("%s: ReadReconciliation(%s) = %+v, %v; want %+v, ok %v", name, tc.text, got, err, tc.want, tc.ok)
		}
	}
}

func TestPackaging(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"": false, `{}`: false, `{"expiredCodeSigners":"refuse"}`: false, `{"expiredCodeSigners":"accept"}`: true} {
		if r, err := settings.Packaging(json.RawMessage(text)); err != nil || r.AcceptExpired() != want {
			t.Errorf("Packaging(%s) accepts expired: %v, %v; want %v", text, r.AcceptExpired(), err, want)
		}
	}
	if r, err := settings.Packaging(json.RawMessage(`{"expiredCodeSigners":"maybe"}`)); err == nil || r.AcceptExpired() {
		t.Errorf("an invalid section gives %+v, %v; want the default and an error", r, err)
	}
}

// FuzzSection: a text with defaults keeps its defaults when they are added again, and a valid one stays valid.
func FuzzSection(f *testing.F) {
	f.Add("corda.messaging", `{"bus":{"busType":"KAFKA","kafkaProperties":{"common":{}}}}`)
	f.Add("corda.p2p.gateway", `{"sslConfig":{}}`)
	f.Add("corda.crypto", `{"hsm":{"wrappingKeys":[{}]}}`)
	f.Fuzz(func(t *testing.T, section, text string) {
		once, err := settings.WithDefaults(section, text)
		if err != nil {
			return
		}
		twice, err := settings.WithDefaults(section, string(once))
		if err != nil || string(twice) != string(once) {
			t.Errorf("%s: %q → %s → %s, %v", section, text, once, twice, err)
		}
		if settings.Validate(section, text) == nil {
			if err := settings.Validate(section, string(once)); err != nil {
				t.Errorf("%s: %q is valid, but not with its defaults: %v", section, text, err)
			}
		}
	})
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
