package gate

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"

	"overskill/internal/filetree"
	"overskill/internal/model"
)

// source looks at the code that was written for browsers and for the server.
func source(in Input) (out []model.Finding) {
	for _, p := range in.Source.Paths() {
		content, _ := in.Source.Get(p)
		env := strings.HasPrefix(path.Base(p), ".env")
		if !env && !isCode(p) || !filetree.IsText(content) {
			continue
		}
		browser := strings.HasPrefix(p, "src/") || p == "index.html"
		comment := false
		n := 0
		for line := range bytes.Lines(content) {
			n++
			var code []byte
			if code, comment = withoutComment(line, comment); len(bytes.TrimSpace(code)) == 0 {
				continue
			}
			if browser || env {
				out = append(out, names(p, n, code, browser)...)
			}
			if !env {
				out = append(out, insecure(p, n, code)...)
			}
		}
	}
	return out
}

func isCode(p string) bool {
	if !strings.HasPrefix(p, "src/") && !strings.HasPrefix(p, "worker/") && p != "index.html" || strings.HasSuffix(p, ".d.ts") {
		return false
	}
	switch path.Ext(p) {
	case ".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".vue", ".svelte", ".html", ".css":
		return true
	}
	return false
}

// withoutComment leaves the comments out of a line that take it up from its beginning, and those at its end that stand
// behind a blank, which no address does. It need not know more: what remains is looked at for a few names.
func withoutComment(line []byte, inside bool) (code []byte, still bool) {
	if inside {
		_, rest, ended := bytes.Cut(line, []byte("*/"))
		if !ended {
			return nil, true
		}
		line = rest
	}
	code = bytes.TrimSpace(line)
	switch {
	case bytes.HasPrefix(code, []byte("//")), bytes.HasPrefix(code, []byte("#")):
		return nil, false
	case bytes.HasPrefix(code, []byte("/*")), bytes.HasPrefix(code, []byte("{/*")), bytes.HasPrefix(code, []byte("<!--")):
		end := []byte("*/")
		if code[0] == '<' {
			end = []byte("-->")
		}
		_, rest, ended := bytes.Cut(code[2:], end)
		if !ended {
			return nil, code[0] != '<'
		}
		return rest, false
	}
	if i := bytes.Index(code, []byte(" // ")); i >= 0 {
		code = code[:i]
	}
	return code, false
}

// constant is the name of an environment variable, as it stands in code.
var constant = regexp.MustCompile(`[A-Z][A-Z0-9]*_[A-Z0-9_]+`)

// names looks at which variables code for browsers reads, and at those of .env files that are built in.
func names(file string, line int, code []byte, browser bool) (out []model.Finding) {
	if bytes.IndexByte(code, '_') < 0 {
		return nil
	}
	for _, m := range constant.FindAll(code, -1) {
		name := string(m)
		switch vite := strings.HasPrefix(name, "VITE_"); {
		case serviceKey(name) && (vite || browser):
			out = append(out, model.Finding{
				Rule: "service_key_use", Severity: model.SeverityBlock, File: file, Line: line,
				Title:  fmt.Sprintf("Code for browsers reads %s, a key that passes by all policies.", name),
				Why:    "With the service role's key anybody can read and change every row of every table.",
				Cure:   "Use it in a server function only, as env.SUPABASE_SERVICE_ROLE_KEY.",
				Prompt: fmt.Sprintf("%s uses %s in the browser. Move what needs it into a server function under worker/, which reads env.SUPABASE_SERVICE_ROLE_KEY and checks who is asking, and let the page call that function below /api/.", at(file, line), name),
			})
		case vite && secretVariable(name):
			out = append(out, model.Finding{
				Rule: "public_env_secret", Severity: model.SeverityWarn, File: file, Line: line,
				Title:  fmt.Sprintf("%s is called a secret, but every visitor can read it.", name),
				Why:    "Variables whose names begin with VITE_ are built into the code that visitors download.",
				Cure:   "If it is a secret, take VITE_ off its name and read it in a server function. If it is none, give it another name.",
				Prompt: fmt.Sprintf("%s reads %s, which every visitor can read. Move what needs it into a server function under worker/, which reads the variable from env under its name without VITE_, and let the page call that function below /api/.", at(file, line), name),
			})
		}
	}
	return out
}

// serviceKey reports whether a variable holds the service role's key by its name.
func serviceKey(name string) bool {
	if strings.Contains(name, "SERVICE_ROLE") {
		return true
	}
	part := strings.Split(name, "_")
	service, key := false, false
	for _, p := range part {
		service = service || p == "SERVICE"
		key = key || p == "KEY" || p == "SECRET" || p == "TOKEN"
	}
	return service && key && (strings.HasPrefix(name, "VITE_") || strings.Contains(name, "SUPABASE"))
}

// secretVariable reports whether a name says that its value is to be kept.
func secretVariable(name string) bool {
	part := strings.Split(name, "_")
	for i, p := range part {
		switch p {
		case "SECRET", "SECRETS", "PASSWORD", "PASSWD":
			return true
		case "PRIVATE":
			if i+1 < len(part) && part[i+1] == "KEY" {
				return true
			}
		}
	}
	return false
}

var (
	plainAddress = regexp.MustCompile(`["'` + "`" + `(](?:http|ws)://([A-Za-z0-9.-]+)`)
	request      = regexp.MustCompile(`\b(?:fetch|axios|WebSocket|EventSource|XMLHttpRequest|sendBeacon|request|createClient|import)\b|\b(?:src|action|baseURL|baseUrl|endpoint)\b\s*[:=]|\.(?:get|post|put|patch|delete|open)\(|\burl\(|(?i:\b[a-z_]*api_?(?:url|base)[a-z_]*\s*[:=])`)
)

// insecure finds requests to other hosts that everybody on the way can read and change.
func insecure(file string, line int, code []byte) []model.Finding {
	if !bytes.Contains(code, []byte("://")) {
		return nil
	}
	m := plainAddress.FindSubmatch(code)
	if m == nil || ownMachine(string(m[1])) || !request.Match(code) {
		return nil
	}
	return []model.Finding{{
		Rule: "insecure_http", Severity: model.SeverityWarn, File: file, Line: line,
		Title:  fmt.Sprintf("The app asks %s without encryption.", m[1]),
		Why:    "Everybody on the way can read and change it, and browsers refuse it on a page that came with https.",
		Cure:   "Write https:// in its address.",
		Prompt: fmt.Sprintf("%s asks http://%s without encryption. Use https, or, if that server has no https, ask it from a server function under worker/.", at(file, line), m[1]),
	}}
}

// ownMachine reports whether an address is that of a developer's machine, or no address but a name, as of a namespace.
func ownMachine(host string) bool {
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "127.0.0.1" || host == "0.0.0.0" ||
		host == "www.w3.org" || host == "schema.org" || host == "example.com" || host == "example.org" || !strings.Contains(host, ".")
}

// sourceMaps finds the app's source in what visitors download.
func sourceMaps(files map[string][]byte) (out []model.Finding) {
	const why = "With it everybody can read the app's source as it was written, with its comments."
	for _, name := range sortedKeys(files) {
		ext := path.Ext(name)
		content := files[name]
		switch {
		case ext == ".map" && bytes.Contains(content, []byte(`"mappings"`)):
			out = append(out, model.Finding{
				Rule: "source_maps", Severity: model.SeverityWarn, File: name,
				Title: "A source map is published.", Why: why, Cure: "Build for production without source maps, unless you want the source to be read.",
				Prompt: "Switch source maps off for the production build.",
			})
		case ext == ".js" || ext == ".mjs" || ext == ".css":
			if f, ok := mapReference(name, content); ok {
				out = append(out, f)
			}
		}
	}
	return out
}

var mapComment = regexp.MustCompile(`(?m)^/[/*]# sourceMappingURL=([^\s"'` + "`" + `*]+)`)

func mapReference(name string, content []byte) (model.Finding, bool) {
	i := bytes.LastIndex(content, []byte("# sourceMappingURL="))
	if i < 2 {
		return model.Finding{}, false
	}
	begin := bytes.LastIndexByte(content[:i], '\n') + 1
	m := mapComment.FindSubmatch(content[begin:])
	switch {
	case m == nil:
		return model.Finding{}, false
	case bytes.HasPrefix(m[1], []byte("data:")):
		return model.Finding{
			Rule: "source_maps", Severity: model.SeverityWarn, File: name, Line: lineAt(content, begin),
			Title: "A source map is published inside of a file.", Why: "With it everybody can read the app's source as it was written, and the file is several times as large.",
			Cure: "Build for production without source maps.", Prompt: "Switch source maps off for the production build.",
		}, true
	}
	return model.Finding{
		Rule: "source_maps", Severity: model.SeverityInfo, File: name, Line: lineAt(content, begin),
		Title: "A file says where its source map is.", Why: "Browsers with open developer tools ask for it.",
		Cure: "Nothing, unless the map is published too.",
	}, true
}
