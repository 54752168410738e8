package gate

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"overskill/internal/model"
)

const (
	hexes   = "0123456789abcdef"
	uppers  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lowers  = "abcdefghijklmnopqrstuvwxyz"
	numbers = "0123456789"
	alnum   = numbers + uppers + lowers
)

// made returns n characters that look random and are the same each time.
func made(alphabet string, n int) string {
	out, x := make([]byte, n), uint32(12345)
	for i := range out {
		x = x*1664525 + 1013904223
		out[i] = alphabet[int(x>>16)%len(alphabet)]
	}
	return string(out)
}

// keys has one of each kind that is known, made up in the way in which its issuer makes them. No key stands in this file
// as one, or those who look for keys in repositories would find it.
func keys() map[string]string {
	return map[string]string{
		"an AWS access key":                   "AKIA" + made(uppers+"234567", 16),
		"a GitHub token":                      "gho_" + made(alnum, 36),
		"a GitHub token, fine-grained":        "github_pat_" + made(alnum, 22) + "_" + made(alnum, 59),
		"a GitLab token":                      "glpat-" + made(alnum, 20),
		"a Slack token":                       "xoxb-" + made(numbers, 12) + "-" + made(numbers, 12) + "-" + made(alnum, 24),
		"a Slack app token":                   "xapp-1-A" + made(uppers, 10) + "-" + made(numbers, 13) + "-" + made(hexes, 64),
		"a Slack webhook":                     "https://hooks.slack.com/services/T" + made(uppers+numbers, 10) + "/B" + made(uppers+numbers, 10) + "/" + made(alnum, 24),
		"a Stripe secret key":                 "rk_live_" + made(alnum, 99),
		"a Stripe secret test key":            "sk_test_" + made(alnum, 24),
		"a Stripe webhook secret":             "whsec_" + made(alnum, 32),
		"an Anthropic API key":                "sk-ant-api03-" + made(alnum+"-_", 93) + "AA",
		"an OpenAI API key":                   "sk-proj-" + made(alnum+"-_", 156),
		"an OpenAI API key, old":              "sk-" + made(alnum, 20) + "T3BlbkFJ" + made(alnum, 20),
		"an OpenRouter API key":               "sk-or-v1-" + made(hexes, 64),
		"a DeepSeek API key":                  "sk-" + made(hexes, 32),
		"a Groq API key":                      "gsk_" + made(alnum, 52),
		"an xAI API key":                      "xai-" + made(alnum, 80),
		"a Perplexity API key":                "pplx-" + made(alnum, 48),
		"a Replicate token":                   "r8_" + made(alnum, 37),
		"a Hugging Face token":                "hf_" + made(uppers+lowers, 34),
		googleKey:                             "AIza" + made(alnum, 35),
		"a Google OAuth secret":               "GOCSPX-" + made(alnum, 28),
		"a private key":                       "-----BEGIN RSA PRIVATE KEY-----\n" + made(alnum, 64) + "\n-----END RSA PRIVATE KEY-----",
		"a Supabase service role key":         jwt(`{"iss":"supabase","role":"service_role","exp":1983812996}`),
		"a Supabase secret key":               "sb_secret_" + made(alnum, 22) + "_" + made(alnum, 8),
		"a Supabase access token":             "sbp_" + made(hexes, 40),
		"a SendGrid API key":                  "SG." + made(alnum, 22) + "." + made(alnum, 43),
		"a Twilio API key":                    "SK" + made(hexes, 32),
		"an npm token":                        "npm_" + made(alnum, 36),
		"a DigitalOcean token":                "dop_v1_" + made(hexes, 64),
		"a Shopify token":                     "shpat_" + made(hexes, 32),
		"a Resend API key":                    "re_" + made(alnum, 8) + "_" + made(alnum, 24),
		"a Mailgun API key":                   "key-" + made(hexes, 32),
		"a Brevo API key":                     "xkeysib-" + made(hexes, 64) + "-" + made(alnum, 16),
		"a Square secret":                     "sq0csp-" + made(alnum, 43),
		"a Notion token":                      "ntn_" + made(alnum, 46),
		"a Linear API key":                    "lin_api_" + made(alnum, 40),
		"a Figma token":                       "figd_" + made(alnum, 40),
		"an Airtable token":                   "pat" + made(alnum, 14) + "." + made(hexes, 64),
		"a Postman API key":                   "PMAK-" + made(hexes, 24) + "-" + made(hexes, 34),
		"a Sentry token":                      "sntryu_" + made(hexes, 64),
		"a New Relic key":                     "NRAK-" + made(uppers+numbers, 27),
		"a Grafana token":                     "glsa_" + made(alnum, 32) + "_" + made(hexes, 8),
		"a PlanetScale secret":                "pscale_pw_" + made(alnum, 43),
		"a Docker Hub token":                  "dckr_pat_" + made(alnum, 27),
		"a PyPI token":                        "pypi-AgE" + made(alnum, 150),
		"a Vault token":                       "hvs." + made(alnum, 90),
		"an Atlassian API token":              "ATATT3xFf" + made(alnum, 180),
		"an age secret key":                   "AGE-SECRET-KEY-1" + made(uppers+numbers, 58),
		"a Mapbox secret token":               "sk.eyJ" + made(alnum, 60) + "." + made(alnum, 22),
		"a Discord webhook":                   "https://discord.com/api/webhooks/" + made(numbers, 19) + "/" + made(alnum, 68),
		"the key of an Azure storage account": "DefaultEndpointsProtocol=https;AccountName=store;AccountKey=" + made(alnum, 86) + "==",
		"a Telegram bot token":                made(numbers, 10) + ":AA" + made(alnum, 33),
		"a database address with a password":  "mongodb+srv://app:" + made(alnum, 16) + "@cluster0.mongodb.net",
	}
}

func TestEveryKindOfKeyIsKnown(t *testing.T) {
	tested := map[string]bool{}
	for kind, key := range keys() {
		kind, _, _ = strings.Cut(kind, ",")
		tested[kind] = true
		for form, code := range map[string]string{
			"in quotes": `var a={b:"` + key + `"};`, "in a template": "fetch(`/x?k=${a}`,`" + key + "`)",
			"after an escape": `"first\n` + strings.ReplaceAll(key, "\n", `\n`) + `"`, "alone": key,
		} {
			got := Check(Input{Files: map[string][]byte{"assets/a.js": []byte(code)}})
			if len(got) != 1 || got[0].Rule != "secret_in_bundle" || !strings.Contains(strings.ToLower(got[0].Title), strings.ToLower(kind)) {
				t.Errorf("%s %s: %+v", kind, form, got)
			}
			if strings.Contains(fmt.Sprint(got), key[len(key)-8:]) {
				t.Errorf("%s %s: the key is quoted", kind, form)
			}
		}
		if got := Check(Input{Server: []byte(`x="` + key + `"`)}); len(got) != 1 || got[0].Severity != model.SeverityWarn {
			t.Errorf("%s in server code: %+v", kind, got)
		}
	}
	for _, s := range known {
		if !tested[s.kind] {
			t.Errorf("%s is not tested", s.kind)
		}
	}
}

// TestWhatOnlyLooksLikeKeys: each was in an ordinary bundle or a manual, or could be.
func TestWhatOnlyLooksLikeKeys(t *testing.T) {
	for _, text := range []string{
		`class="sk-circle-fade-dot sk-chase-dot-before-after-animation-long-name"`, `"task-0123456789abcdef0123456789abcdef"`,
		`"my-sk-` + made(hexes, 32) + `"`, `"sk-` + strings.Repeat("ab", 24) + `"`, `"sk_live_xxxxxxxxxxxxxxxxxxxxxxxx"`, `"sk_live_YOUR_SECRET_KEY_GOES_HERE"`,
		`"pk_live_` + made(alnum, 40) + `"`, `"pk.eyJ` + made(alnum, 60) + "." + made(alnum, 22) + `"`, `"phc_` + made(alnum, 43) + `"`,
		`"sb_publishable_` + made(alnum, 31) + `"`, `"ghp_"+token`, `/^gh[pousr]_[A-Za-z0-9]{36}$/`, `"AKIAIOSFODNN7EXAMPLE"`, `"AKIA"`,
		"`-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----`", `"-----BEGIN PUBLIC KEY-----\n` + made(alnum, 64) + `"`, `"-----BEGIN CERTIFICATE-----\n` + made(alnum, 64) + `"`,
		`"postgres://user:password@localhost:5432/db"`, `"postgres://${user}:${pw}@${host}"`, `"redis://localhost:6379"`, `"mongodb://user:pass@host"`,
		`re_initialize_component_state_now`, `"re_render"`, `"SKeleton"`, `"npm_config_registry"`, `"key-press-listener"`, `"patternMatcher.` + made(hexes, 64) + `"`,
		`"hf_` + strings.Repeat("a", 34) + `"`, `"https://discord.com/api/webhooks/"`, `"whsec_"`, `integrity:"sha512-` + made(alnum, 86) + `=="`,
		`"` + made(hexes, 64) + `"`, `"` + made(hexes, 40) + `"`, `secret:"Enter your secret"`, `token:"text/javascript; charset=utf-8"`, `password:"M12 2C6.48 2 2 6.48 2 12s4.48 10"`,
		`tokenType:"AccessTokenExpiredErrorMessage"`, `apiKey:"0b5f1a1e-9c3d-4e0f-8a6b-2c1d3e4f5a6b"`, `__SECRET_INTERNALS_DO_NOT_USE_OR_YOU_WILL_BE_FIRED:{}`,
	} {
		if got := Check(Input{Files: map[string][]byte{"assets/a.js": []byte("x=" + text + ";")}}); len(got) != 0 {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// TestTimeIsLinear: no text of two megabytes takes much longer than another, even if it is made for that.
func TestTimeIsLinear(t *testing.T) {
	const size = 2 << 20
	fill := func(s string) []byte { return bytes.Repeat([]byte(s), size/len(s))[:size/len(s)*len(s)] }
	many := make([]byte, 0, size)
	for i := 0; len(many) < size-64; i++ {
		many = fmt.Appendf(many, "a=\"AKIA%s%04d\";\n", made(uppers, 8), i%10000)
		many = fmt.Appendf(many, "b=\"npm_%s%09d\";\n", made(alnum, 27), i)
	}
	for name, in := range map[string]Input{
		"tokens":      {Files: map[string][]byte{"a.js": fill("-eyJ")}},
		"placeholder": {Files: map[string][]byte{"a.js": fill("-sk-ant-x-")}},
		"keys":        {Files: map[string][]byte{"a.js": many}},
		"names":       {Files: map[string][]byte{"a.js": fill("token:")}},
		"addresses":   {Files: map[string][]byte{"a.js": fill("redis://:")}},
		"blanks":      {Files: map[string][]byte{"a.js": fill("-----BEGIN PRIVATE KEY-----  ")}},
		"sql":         {Migrations: []Migration{{SQL: "create table t(a int); create policy p on t using " + strings.Repeat("(", 200_000) + "true" + strings.Repeat(")", 200_000)}}},
		"or":          {Migrations: []Migration{{SQL: "create policy p on t using (" + strings.Repeat("a or ", 100_000) + "true)"}}},
		"licence":     {Packages: []Package{{Name: "x", License: strings.Repeat("(", 1_000_000)}}},
	} {
		begin := time.Now()
		Check(in)
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%s took %s", name, took)
		} else {
			t.Logf("%s: %s", name, took.Round(time.Millisecond))
		}
	}
}
