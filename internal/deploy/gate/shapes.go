package gate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/model"
)

// shape is how the keys of one issuer look. Searching for the anchors costs next to nothing, and the pattern is tried
// only where one stands, at the beginning of a word.
type shape struct {
	kind     string // with its article
	anchors  []string
	pattern  *regexp.Regexp // from the anchor on
	severity model.Severity // "" is block
	inside   bool           // the anchor may stand inside of a word
	check    func(match []byte) bool
}

const googleKey = "a Google API key"

// maxKey is how many bytes from an anchor on are looked at.
const maxKey = 4096

// maxHits is how many keys are looked for in one file: who has more cures those first.
const maxHits = 4 * maxFindings

// known lists shapes that their issuers document, or that secret scanners agree on.
var known = []shape{
	{kind: "an AWS access key", anchors: []string{"AKIA", "ASIA"}, pattern: re(`A[KS]IA[A-Z0-9]{16}`), check: varied},
	{kind: "a GitHub token", anchors: []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_"}, pattern: re(`gh[pousr]_[A-Za-z0-9]{36,255}`), check: varied},
	{kind: "a GitHub token", anchors: []string{"github_pat_"}, pattern: re(`github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}`), check: varied},
	{kind: "a GitLab token", anchors: []string{"glpat-"}, pattern: re(`glpat-[A-Za-z0-9_-]{20,}`), check: varied},
	{kind: "a Slack token", anchors: []string{"xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-"}, pattern: re(`xox[bpars]-[0-9]{8,}-[A-Za-z0-9-]{16,}`), check: varied},
	{kind: "a Slack app token", anchors: []string{"xapp-"}, pattern: re(`xapp-[0-9]-[A-Z0-9]{8,}-[0-9]{8,}-[a-f0-9]{64}`), check: varied},
	{kind: "a Slack webhook", anchors: []string{"hooks.slack.com/services/"}, inside: true, pattern: re(`hooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/[A-Za-z0-9]{20,}`), check: varied},
	{kind: "a Stripe secret key", anchors: []string{"sk_live_", "rk_live_"}, pattern: re(`[sr]k_live_[A-Za-z0-9]{20,}`), check: varied},
	{kind: "a Stripe secret test key", anchors: []string{"sk_test_", "rk_test_"}, pattern: re(`[sr]k_test_[A-Za-z0-9]{20,}`), check: varied},
	{kind: "a Stripe webhook secret", anchors: []string{"whsec_"}, pattern: re(`whsec_[A-Za-z0-9+/]{24,}`), check: varied},
	{kind: "an Anthropic API key", anchors: []string{"sk-ant-"}, pattern: re(`sk-ant-[a-z0-9]+-[A-Za-z0-9_-]{20,}`), check: varied},
	{kind: "an OpenAI API key", anchors: []string{"sk-"}, pattern: re(`sk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{32,}|[A-Za-z0-9]{32,64})`), check: mixed},
	{kind: "an OpenRouter API key", anchors: []string{"sk-or-v1-"}, pattern: re(`sk-or-v1-[a-f0-9]{64}`), check: varied},
	{kind: "a DeepSeek API key", anchors: []string{"sk-"}, pattern: re(`sk-[a-f0-9]{32}`), check: digits},
	{kind: "a Groq API key", anchors: []string{"gsk_"}, pattern: re(`gsk_[A-Za-z0-9]{52}`), check: mixed},
	{kind: "an xAI API key", anchors: []string{"xai-"}, pattern: re(`xai-[A-Za-z0-9]{80}`), check: mixed},
	{kind: "a Perplexity API key", anchors: []string{"pplx-"}, pattern: re(`pplx-[A-Za-z0-9]{48}`), check: mixed},
	{kind: "a Replicate token", anchors: []string{"r8_"}, pattern: re(`r8_[A-Za-z0-9]{37}`), check: mixed},
	{kind: googleKey, anchors: []string{"AIza"}, pattern: re(`AIza[A-Za-z0-9_-]{35}`), severity: model.SeverityWarn, check: varied},
	{kind: "a Google OAuth secret", anchors: []string{"GOCSPX-"}, pattern: re(`GOCSPX-[A-Za-z0-9_-]{28}`), check: varied},
	{kind: "a private key", anchors: []string{"-----BEGIN "}, inside: true, pattern: re(`-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n|\\r)*[A-Za-z0-9+/=]{16,}`)},
	{kind: "a Supabase service role key", anchors: []string{"eyJ"}, pattern: re(`eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}`), check: serviceRole},
	{kind: "a Supabase secret key", anchors: []string{"sb_secret_"}, pattern: re(`sb_secret_[A-Za-z0-9_-]{20,}`), check: varied},
	{kind: "a Supabase access token", anchors: []string{"sbp_"}, pattern: re(`sbp_(?:v0_)?[a-f0-9]{40}`), check: varied},
	{kind: "a SendGrid API key", anchors: []string{"SG."}, pattern: re(`SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}`), check: varied},
	{kind: "a Twilio API key", anchors: []string{"SK"}, pattern: re(`SK[a-f0-9]{32}`), check: varied},
	{kind: "an npm token", anchors: []string{"npm_"}, pattern: re(`npm_[A-Za-z0-9]{36}`), check: varied},
	{kind: "a Hugging Face token", anchors: []string{"hf_"}, pattern: re(`hf_[A-Za-z0-9]{34}`), check: mixedCase},
	{kind: "a DigitalOcean token", anchors: []string{"dop_v1_"}, pattern: re(`dop_v1_[a-f0-9]{64}`), check: varied},
	{kind: "a Shopify token", anchors: []string{"shpat_", "shpss_", "shpca_"}, pattern: re(`shp(?:at|ss|ca)_[a-fA-F0-9]{32}`), check: varied},
	{kind: "a Resend API key", anchors: []string{"re_"}, pattern: re(`re_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,}`), check: mixed},
	{kind: "a Mailgun API key", anchors: []string{"key-"}, pattern: re(`key-[a-f0-9]{32}`), check: digits},
	{kind: "a Brevo API key", anchors: []string{"xkeysib-", "xsmtpsib-"}, pattern: re(`x(?:key|smtp)sib-[a-f0-9]{64}-[A-Za-z0-9]{16}`), check: varied},
	{kind: "a Square secret", anchors: []string{"sq0csp-"}, pattern: re(`sq0csp-[A-Za-z0-9_-]{43}`), check: varied},
	{kind: "a Notion token", anchors: []string{"ntn_"}, pattern: re(`ntn_[A-Za-z0-9]{40,}`), check: mixed},
	{kind: "a Linear API key", anchors: []string{"lin_api_"}, pattern: re(`lin_api_[A-Za-z0-9]{40}`), check: mixed},
	{kind: "a Figma token", anchors: []string{"figd_"}, pattern: re(`figd_[A-Za-z0-9_-]{40,60}`), check: mixed},
	{kind: "an Airtable token", anchors: []string{"pat"}, pattern: re(`pat[A-Za-z0-9]{14}\.[a-f0-9]{64}`), check: varied},
	{kind: "a Postman API key", anchors: []string{"PMAK-"}, pattern: re(`PMAK-[a-f0-9]{24}-[a-f0-9]{34}`), check: varied},
	{kind: "a Sentry token", anchors: []string{"sntrys_", "sntryu_"}, pattern: re(`sntry(?:u_[a-f0-9]{64}|s_eyJ[A-Za-z0-9+/=_-]{40,})`), check: varied},
	{kind: "a New Relic key", anchors: []string{"NRAK-"}, pattern: re(`NRAK-[A-Z0-9]{27}`), check: varied},
	{kind: "a Grafana token", anchors: []string{"glsa_"}, pattern: re(`glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}`), check: varied},
	{kind: "a PlanetScale secret", anchors: []string{"pscale_tkn_", "pscale_pw_"}, pattern: re(`pscale_(?:tkn|pw)_[A-Za-z0-9_.-]{32,64}`), check: mixed},
	{kind: "a Docker Hub token", anchors: []string{"dckr_pat_"}, pattern: re(`dckr_pat_[A-Za-z0-9_-]{27}`), check: varied},
	{kind: "a PyPI token", anchors: []string{"pypi-AgE"}, pattern: re(`pypi-AgE[A-Za-z0-9_-]{50,}`), check: varied},
	{kind: "a Vault token", anchors: []string{"hvs."}, pattern: re(`hvs\.[A-Za-z0-9_-]{24,}`), check: mixed},
	{kind: "an Atlassian API token", anchors: []string{"ATATT3xFf"}, pattern: re(`ATATT3xFf[A-Za-z0-9_=-]{60,}`), check: varied},
	{kind: "an age secret key", anchors: []string{"AGE-SECRET-KEY-1"}, pattern: re(`AGE-SECRET-KEY-1[A-Z0-9]{58}`), check: varied},
	{kind: "a Mapbox secret token", anchors: []string{"sk.eyJ"}, pattern: re(`sk\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}`), check: varied},
	{kind: "a Discord webhook", anchors: []string{"discord.com/api/webhooks/", "discordapp.com/api/webhooks/"}, inside: true, pattern: re(`discord(?:app)?\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,}`), check: varied},
	{kind: "the key of an Azure storage account", anchors: []string{"AccountKey="}, pattern: re(`AccountKey=[A-Za-z0-9+/]{86}==`), check: varied},
	{kind: "a Telegram bot token", anchors: []string{":AA"}, inside: true, pattern: re(`:AA[A-Za-z0-9_-]{33}`), check: varied},
	{
		kind:    "a database address with a password",
		anchors: []string{"postgres://", "postgresql://", "mysql://", "mongodb://", "mongodb+srv://", "redis://", "rediss://"},
		pattern: re(`[a-z+]+://[^\s:/@"'` + "`" + `<>{}$]*:[^\s/@"'` + "`" + `<>{}$]{3,}@[A-Za-z0-9][A-Za-z0-9.-]+`), check: realAddress,
	},
}

func re(pattern string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + pattern + `)`) }

// shapes finds keys by how they look. A key that stands in a file more than once is reported once.
func shapes(content []byte) (out []hit) {
	seen := map[string]bool{}
	for _, s := range known {
		for _, anchor := range s.anchors {
			for from := 0; ; {
				i := bytes.Index(content[from:], []byte(anchor))
				if i < 0 {
					break
				}
				begin := from + i
				from = begin + len(anchor)
				if !s.inside && begin > 0 && (wordByte(content[begin-1]) || content[begin-1] == '-') && !escapeBefore(content, begin) {
					continue // a hyphen too, so that no text makes patterns of hyphens run over the same bytes again and again
				}
				m := s.pattern.Find(content[begin:min(begin+maxKey, len(content))])
				from = max(from, begin+len(m))
				if m == nil || seen[string(m)] || s.check != nil && !s.check(m) || !endsAt(content, begin+len(m)) {
					continue
				}
				seen[string(m)] = true
				h := hit{kind: s.kind, begin: begin, end: begin + len(m), severity: s.severity}
				if h.severity == "" {
					h.severity = model.SeverityBlock
				}
				if out = append(out, h); len(out) == maxHits {
					return out
				}
			}
		}
	}
	return out
}

// endsAt reports whether a match is not just the beginning of a longer word.
func endsAt(content []byte, end int) bool {
	return end >= len(content) || !wordByte(content[end]) || !wordByte(content[end-1])
}

// escapeBefore reports whether the letter before is that of an escape, as in "\nsk_live_".
func escapeBefore(content []byte, begin int) bool {
	return begin > 1 && content[begin-2] == '\\' && strings.IndexByte("nrt", content[begin-1]) >= 0
}

// placeholders are what people write where a key belongs.
var placeholders = []string{"example", "xxxx", "your", "changeme", "placeholder", "redacted", "dummy", "sample", "replace", "test_key", "0123456789", "1234567890"}

// varied refuses what is no key but stands for one: few different characters, or a word that says so.
func varied(m []byte) bool {
	lower := strings.ToLower(string(m))
	if slices.ContainsFunc(placeholders, func(p string) bool { return strings.Contains(lower, p) }) {
		return false
	}
	var seen [256]bool
	n := 0
	for _, c := range m[len(m)*2/5:] { // behind what all keys of the kind begin with
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n >= 6
}

// mixed asks for what names in code do not have: digits between letters of both cases.
func mixed(m []byte) bool {
	return varied(m) && mixedCase(m) && bytes.ContainsAny(m, "0123456789")
}

// digits asks for as many digits as random hexadecimal text has, unlike words joined by hyphens.
func digits(m []byte) bool {
	n := 0
	for _, c := range m {
		if c >= '0' && c <= '9' {
			n++
		}
	}
	return n >= 8 && varied(m)
}

func mixedCase(m []byte) bool {
	return varied(m) && bytes.ContainsAny(m[4:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") && bytes.ContainsAny(m[4:], "abcdefghijklmnopqrstuvwxyz")
}

// serviceRole reports whether a JSON Web Token is a key that passes by row level security. The key for browsers has the
// role anon, and everybody may have it.
func serviceRole(m []byte) bool {
	payload := bytes.Split(m, []byte("."))[1]
	b, err := base64.RawURLEncoding.DecodeString(string(payload))
	var claims struct {
		Role string `json:"role"`
	}
	return err == nil && json.Unmarshal(b, &claims) == nil && (claims.Role == "service_role" || claims.Role == "supabase_admin")
}

// realAddress refuses addresses of documentation and of a developer's own machine.
func realAddress(m []byte) bool {
	s := strings.ToLower(string(m))
	host := s[strings.LastIndexByte(s, '@')+1:]
	_, rest, _ := strings.Cut(s, "://")
	_, password, _ := strings.Cut(rest[:strings.LastIndexByte(rest, '@')], ":")
	switch {
	case host == "localhost" || host == "127.0.0.1" || host == "host" || host == "hostname" || strings.HasPrefix(host, "example.") || strings.HasSuffix(host, ".example.com"):
		return false
	case password == "password" || password == "pass" || password == "pw" || password == "secret" || strings.Trim(password, "*x.") == "":
		return false
	}
	return !slices.ContainsFunc(placeholders, func(p string) bool { return strings.Contains(password, p) })
}
