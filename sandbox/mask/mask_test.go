package mask_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/mask"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"password", "hashedPassword", "hashed_password", "salt_value", "saltValue", "salt", "passphrase", "masterPassphrase", "configSecret",
		"encryptedSecret", "mgm_private_signing_key", "privateKey", "key_material", "keyMaterial", "signing_key_material", "token", "tracesToken_authToken",
		"accessToken", "token_id", "Authorization", "ssl.keystore.password", "sasl.jaas.credentials",
	} {
		if !mask.Secret(name) {
			t.Errorf("%s is shown", name)
		}
	}
	for _, name := range []string{
		"passwordExpiry", "password_expiry", "key", "key_id", "public_key", "privacy_salt", "services.token.event", "config", "login_name",
		"mgm_public_signing_key", "tokens.claimed", "alias", "",
	} {
		if mask.Secret(name) {
			t.Errorf("%s is not shown", name)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"order stays":        {`{"b":1,"a":[true,null,1.50,"x"]}`, `{"b":1,"a":[true,null,1.50,"x"]}`},
		"member":             {`{"user":"a","password":"open sesame"}`, `{"user":"a","password":"*****"}`},
		"object":             {`{"pass":{"configSecret":{"encryptedSecret":"abc"}},"b":2}`, `{"pass":{"configSecret":"*****"},"b":2}`},
		"list":               {`{"secrets":["a",{"b":"c"}],"d":1}`, `{"secrets":"*****","d":1}`},
		"number":             {`{"salt":17}`, `{"salt":"*****"}`},
		"nothing to hide":    {`{"hashedPassword":"","saltValue":null}`, `{"hashedPassword":"","saltValue":null}`},
		"JSON in a string":   {`{"config":"{\"database\":{\"user\":\"u\",\"pass\":{\"configSecret\":{\"encryptedSecret\":\"x\"}}}}"}`, `{"config":"{\"database\":{\"user\":\"u\",\"pass\":{\"configSecret\":\"*****\"}}}"}`},
		"connection in JSON": {`{"vaultDdlConnection":"{\"user\":\"u\",\"password\":\"p\"}"}`, `{"vaultDdlConnection":"{\"user\":\"u\",\"password\":\"*****\"}"}`},
		"other connection":   {`{"vaultDdlConnection":"u/p@host"}`, `{"vaultDdlConnection":"*****"}`},
		"URL":                {`{"url":"jdbc:postgresql://h/d?user=u&password=p&ssl=1"}`, `{"url":"jdbc:postgresql://h/d?user=u\u0026password=*****\u0026ssl=1"}`},
		"private key":        {`{"pem":"-----BEGIN EC PRIVATE KEY-----\nabc"}`, `{"pem":"*****"}`},
		"escape":             {`{"a\"b":"<é>"}`, `{"a\"b":"\u003cé\u003e"}`},
		"no object":          {`"x"`, `"x"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, cut, err := mask.JSON([]byte(tc.in), 0)
			if err != nil || cut || string(got) != tc.want {
				t.Errorf("%s gives %s, %v, %v; want %s", tc.in, got, cut, err, tc.want)
			}
		})
	}
	for _, bad := range []string{``, `{`, `{"a":1}x`, `hello`, strings.Repeat("[", 1000), `{"password":[`} {
		if got, _, err := mask.JSON([]byte(bad), 0); !errors.Is(err, mask.ErrNoJSON) {
			t.Errorf("%.20q gives %s, %v", bad, got, err)
		}
	}
}

func TestLongStringsAreCut(t *testing.T) {
	t.Parallel()
	got, cut, err := mask.JSON([]byte(`{"data":"`+strings.Repeat("é", 50)+`","b":1}`), 11)
	if want := `{"data":"ééééé… (100 bytes)","b":1}`; err != nil || !cut || string(got) != want {
		t.Errorf("it gives %s, %v, %v; want %s", got, cut, err, want)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	got, err := mask.Settings([]byte(`{"role":"rest","bus":{"brokers":["a:1","b:2"],"topicPrefix":""},"secrets":{"passphrase":"p","salt":"s"},
		"database":{"password":"p","url":"jdbc:x"},"rest":{"key":"-----BEGIN PRIVATE KEY-----"},"seed":0}`), "boot")
	want := []sandbox.Setting{
		{Name: "bus.brokers.0", Value: "a:1", From: "boot"}, {Name: "bus.brokers.1", Value: "b:2", From: "boot"},
		{Name: "database.password", Value: mask.Shown, From: "boot"}, {Name: "database.url", Value: "jdbc:x", From: "boot"},
		{Name: "rest.key", Value: mask.Shown, From: "boot"}, {Name: "role", Value: "rest", From: "boot"},
		{Name: "secrets", Value: mask.Shown, From: "boot"}, {Name: "seed", Value: "0", From: "boot"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// FuzzJSON: nothing of a secret is left, and the result is JSON that masks to itself.
func FuzzJSON(f *testing.F) {
	f.Add(`{"password":"hunter2","x":["{\"secret\":\"hunter2\"}"]}`)
	f.Add(`[{"a":{"token":"hunter2"}},"password=hunter2"]`)
	f.Fuzz(func(t *testing.T, in string) {
		got, _, err := mask.JSON([]byte(in), 64)
		if err != nil {
			return
		}
		again, cut, err := mask.JSON(got, 0)
		if err != nil || cut || !slices.Equal(again, got) {
			t.Errorf("%q gives %s, and that gives %s, %v", in, got, again, err)
		}
	})
}
