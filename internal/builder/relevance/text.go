package relevance

import (
	"path"
	"regexp"
	"strings"
	"unicode"

	"overskill/internal/filetree"
)

// doc is one file as it can be searched: the terms of each part with how often they stand there.
type doc struct {
	path    string
	content string
	length  int // terms
	inPath  map[string]float64
	exports map[string]float64
	screen  map[string]float64 // texts in quotes and between tags
	idents  map[string]float64
	aspects map[string]float64 // what people call the part of the app that it is
	pairs   map[string]bool    // neighbouring terms on the screen
}

func (d *doc) has(term string) bool {
	return d.inPath[term]+d.exports[term]+d.screen[term]+d.idents[term]+d.aspects[term] > 0
}

// aspects says in people's words what a file of the foundation decides.
var aspects = map[string]string{
	"src/tokens.css":                        "colour theme palette font brand background dark light style design look radius rounded corner",
	"src/index.css":                         "colour theme font style design background animation spacing",
	"src/app.config.ts":                     "app name title tagline currency language locale purpose",
	"index.html":                            "app title name tab favicon description",
	"public/favicon.svg":                    "favicon icon logo",
	"src/routes/route-config.ts":            "page menu navigation sidebar route screen tab section icon link",
	"src/routes/paths.ts":                   "page address route url link menu navigation",
	"src/routes/navigation.tsx":             "menu navigation sidebar bar",
	"src/components/layout/AppShell.tsx":    "header sidebar layout frame footer logout sign navigation",
	"src/components/layout/PublicShell.tsx": "header layout footer public landing visitor",
	"src/components/layout/Logo.tsx":        "logo brand name icon",
	"src/components/layout/ThemeToggle.tsx": "dark light mode theme toggle",
	"src/components/auth/AuthForm.tsx":      "login sign password account register email",
	"src/pages/auth/Login.tsx":              "login sign password account",
	"src/pages/auth/Signup.tsx":             "sign signup register account",
	"src/pages/auth/ForgotPassword.tsx":     "password forgot reset",
	"src/pages/Dashboard.tsx":               "dashboard home start overview landing welcome statistic",
	"src/pages/NotFound.tsx":                "notfound missing 404",
	"src/types/database.ts":                 "database table column field type schema data",
	"src/lib/format.ts":                     "format date money currency number time decimal",
	"src/lib/validation.ts":                 "validation rule required error",
}

// searched reports whether a file is one to rank: migrations never change, and Schema tells what they made.
func searched(name string) bool {
	switch path.Ext(name) {
	case ".ts", ".tsx", ".js", ".jsx", ".css":
		return strings.HasPrefix(name, "src/") && !strings.HasSuffix(name, ".d.ts")
	case ".html", ".svg":
		return name == "index.html" || name == "public/favicon.svg"
	}
	return false
}

func read(tree filetree.Tree) []*doc {
	var out []*doc
	for _, name := range tree.Paths() {
		content, _ := tree.Get(name)
		if searched(name) && filetree.IsText(content) {
			out = append(out, newDoc(name, string(content)))
		}
	}
	return out
}

var (
	quoted     = regexp.MustCompile("\"((?:[^\"\\\\\n]|\\\\.)*)\"|'((?:[^'\\\\\n]|\\\\.)*)'|`([^`]*)`")
	between    = regexp.MustCompile(`>\s*([^<>{}=;]*\pL[^<>{}=;]*?)\s*[<{]`)
	lineText   = regexp.MustCompile(`(?m)^\s+([\pL][\pL\d ,.'’!?&-]* [\pL\d ,.'’!?&-]*)$`) // a paragraph on lines of its own
	exported   = regexp.MustCompile(`\bexport\s+(?:default\s+)?(?:async\s+)?(?:function|const|let|class|type|interface|enum)\s+([\w$]+)`)
	identifier = regexp.MustCompile(`[\pL_$][\pL\d_$]*`)
	importLine = regexp.MustCompile(`(?m)^import\s[^;]*?["'][^"'\n]+["'];?$`)
	placehold  = regexp.MustCompile(`\$\{[^}]*\}`)
	classNames = regexp.MustCompile(`\bclassName=(?:"[^"]*"|\{cn\([^)]*\)\})`)
)

func newDoc(name, content string) *doc {
	d := &doc{
		path: name, content: content,
		inPath: map[string]float64{}, exports: map[string]float64{}, screen: map[string]float64{}, idents: map[string]float64{},
		aspects: map[string]float64{}, pairs: map[string]bool{},
	}
	count(d.inPath, terms(strings.TrimSuffix(name, path.Ext(name))), 1)
	count(d.aspects, terms(aspects[name]), 1)
	for _, m := range exported.FindAllStringSubmatch(content, -1) {
		count(d.exports, terms(m[1]), 1)
	}
	body := importLine.ReplaceAllString(content, "") // graph.go knows what is imported
	body = classNames.ReplaceAllString(body, "")
	for _, re := range []*regexp.Regexp{quoted, between, lineText} {
		for _, m := range re.FindAllStringSubmatch(body, -1) {
			t := terms(placehold.ReplaceAllString(strings.Join(m[1:], " "), " "))
			count(d.screen, t, 1)
			for i := 1; i < len(t); i++ {
				d.pairs[t[i-1]+" "+t[i]] = true
			}
		}
	}
	for _, id := range identifier.FindAllString(quoted.ReplaceAllString(body, " "), -1) {
		t := terms(id)
		count(d.idents, t, 1)
		d.length += len(t)
	}
	return d
}

func count(into map[string]float64, terms []string, n float64) {
	for _, t := range terms {
		into[t] += n
	}
}

// query is what a request looks for.
type query struct {
	terms map[string]float64 // with their weight
	pairs []string
	raw   []string // paths and names of files, in lower case

	general bool // it speaks of all things of a kind
}

// general are the words by which a request means all things of a kind.
var general = stopWords("all every everywhere each any component components whole throughout")

var fileName = regexp.MustCompile(`[\w@./-]*[\w-]+\.(?:tsx?|jsx?|css|html|svg)\b`)

// parse takes a request apart. A word that is said again counts a little more.
func parse(request string) query {
	q := query{terms: map[string]float64{}}
	for _, f := range fileName.FindAllString(request, -1) {
		q.raw = append(q.raw, strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(f, "@/"), "./")))
	}
	t := terms(request)
	for _, w := range t {
		q.general = q.general || general[w]
		switch {
		case stop[w]:
		case q.terms[w] == 0:
			q.terms[w] = 1
		default:
			q.terms[w] = min(q.terms[w]+0.2, 1.6)
		}
	}
	for i := 1; i < len(t); i++ {
		if !stop[t[i-1]] || !stop[t[i]] {
			q.pairs = append(q.pairs, t[i-1]+" "+t[i])
		}
	}
	return q
}

// named reports whether the request names the file.
func (d *doc) named(q query) bool {
	lower := strings.ToLower(d.path)
	for _, r := range q.raw {
		if lower == r || strings.HasSuffix(lower, "/"+r) {
			return true
		}
	}
	return false
}

// namedByWords reports whether the request says the words of the file's name: all of a compound name, "week dots" for
// week-dots.tsx, but a single word only with one that shows that all of its kind are meant, as in "every button".
func (d *doc) namedByWords(q query) bool {
	t := terms(strings.TrimSuffix(path.Base(d.path), path.Ext(d.path)))
	for _, w := range t {
		if q.terms[w] == 0 {
			return false
		}
	}
	return len(t) > 1 || q.general
}

// terms splits a text into lower-case words reduced to their stems, camelCase and snake_case taken apart.
func terms(text string) []string {
	var out []string
	start := -1
	var last rune
	flush := func(end int) {
		if start >= 0 {
			if w := stem(strings.ToLower(text[start:end])); len(w) > 1 {
				out = append(out, w)
			}
		}
		start = -1
	}
	for i, r := range text {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			if r == '\'' || r == '’' { // "customer's"
				flush(i)
				last = r
				continue
			}
			flush(i)
		case start < 0:
			start = i
			if (last == '\'' || last == '’') && r == 's' {
				start = -1
			}
		case unicode.IsUpper(r) && unicode.IsLower(last), unicode.IsDigit(r) != unicode.IsDigit(last):
			flush(i)
			start = i
		}
		last = r
	}
	flush(len(text))
	return out
}

// stem cuts the commonest endings of English off, so that "sorted", "sorting" and "sorts" are one word. It need
// not be right, only the same for the same word.
func stem(w string) string {
	w = strings.ReplaceAll(w, "colour", "color")
	switch n := len(w); {
	case n > 4 && strings.HasSuffix(w, "ies"):
		w = w[:n-3] + "y"
	case n > 4 && (strings.HasSuffix(w, "sses") || strings.HasSuffix(w, "xes") || strings.HasSuffix(w, "ches") || strings.HasSuffix(w, "shes")):
		w = w[:n-2]
	case n > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us"):
		w = w[:n-1]
	}
	n := len(w)
	switch {
	case n > 5 && strings.HasSuffix(w, "ing"):
		w = undouble(w[:n-3])
	case n > 4 && strings.HasSuffix(w, "ed"):
		w = undouble(w[:n-2])
	}
	if n := len(w); n > 3 && w[n-1] == 'e' {
		w = w[:n-1]
	}
	return w
}

// undouble turns "dragg" into "drag".
func undouble(w string) string {
	if n := len(w); n > 3 && w[n-1] == w[n-2] && !strings.ContainsRune("lsz", rune(w[n-1])) {
		return w[:n-1]
	}
	return w
}

// stop are the words that say nothing about which file is meant: those of the language, of asking, and of code.
var stop = stopWords(`a an and are as at be been but by can could do does for from had has have he her his how i if in into is it its
	me my no not of on only or our out please she should so some than that the their them then there these they this to too under up us
	was we were what when where which while who will with would you your also all any each every both just like make makes made
	want wants need needs get gets give let lets put use used using add adds added change changes changed new instead more most less very
	able about after again against before below between during other same such through until when whenever show shows shown
	app application thing things way go goes going come comes see sees look looks say says said call calls called think one two off still
	currently everything something anything nothing people person user users
	export import const return function default null undefined true false string number class type`)

func stopWords(list string) map[string]bool {
	out := map[string]bool{}
	for _, w := range terms(list) {
		out[w] = true
	}
	return out
}
