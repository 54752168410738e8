package compile

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

//go:embed tmpl
var templateFiles embed.FS

// User text is put between these two while a file is written, so that a label such as "Card" is not taken for
// the component of that name when imports are collected. They never reach a file.
const (
	textStart = "\x01"
	textEnd   = "\x02"
)

// pageTemplates write the app's files. The delimiters are <% and %>: braces belong to TSX.
var pageTemplates = template.Must(template.New("").Delims("<%", "%>").Funcs(template.FuncMap{
	"str": str, "jsx": jsx, "inner": inner, "lower": lowerFirst, "a": article, "join": strings.Join, "icon": icon,
	"text": text, "indent": indent, "note": comment, "attr": attr, "tone": tone,
	"togglePill": togglePill, "votePill": votePill, "checkPill": checkPill,
}).ParseFS(templateFiles, "tmpl/*.tmpl"))

// str writes a TypeScript string literal.
func str(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil { // a string always encodes
		panic(err)
	}
	// Never the sequences that the four placeholders or a closing script tag begin with.
	lit := strings.NewReplacer("{{", `{\u007b`, "</", `<\u002f`).Replace(strings.TrimSpace(b.String()))
	return textStart + lit + textEnd
}

// text marks what stands in a template literal as nobody's identifier.
func text(s string) string { return textStart + s + textEnd }

// inner writes text inside a template literal or a string of ours.
func inner(s string) string {
	body := strings.Trim(str(s), textStart+textEnd)
	body = body[1 : len(body)-1]
	return textStart + strings.NewReplacer("`", "\\`", "${", "\\${").Replace(body) + textEnd
}

// jsx writes text between two tags, or an attribute's value would be: {"..."} where JSX needs it.
func jsx(s string) string {
	if s == "" || strings.ContainsAny(s, "{}<>&\"'\\\n`") || strings.TrimSpace(s) != s {
		lit := str(s)
		return textStart + "{" + strings.Trim(lit, textStart+textEnd) + "}" + textEnd
	}
	return textStart + s + textEnd
}

// indent puts n spaces before each line but the first.
func indent(n int, s string) string {
	return strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", n))
}

// imported says where a name comes from.
type imported struct {
	module string
	typ    bool // a type only
}

// foundation are the names that files take from packages and from the foundation.
var foundation = map[string]string{
	"react":                                  "Fragment useState useRef type:ReactNode type:ComponentType",
	"react-router":                           "Link useNavigate useParams useSearchParams",
	"@/components/layout/PageHeader":         "PageHeader",
	"@/components/ui/badge":                  "Badge",
	"@/components/ui/badge-select":           "BadgeSelect ChoiceBadge choiceOf type:Choice",
	"@/components/ui/bar-chart":              "BarChart",
	"@/components/ui/board":                  "Board",
	"@/components/ui/button":                 "Button ButtonLink",
	"@/components/ui/card":                   "Card CardHeader",
	"@/components/ui/checkbox":               "Checkbox",
	"@/components/ui/dialog":                 "Dialog DialogFooter",
	"@/components/ui/empty-state":            "EmptyState ErrorState",
	"@/components/ui/facts":                  "Facts Fact",
	"@/components/ui/field":                  "Field FormError",
	"@/components/ui/input":                  "Input",
	"@/components/ui/list-card":              "ListCard",
	"@/components/ui/pagination":             "Pagination",
	"@/components/ui/rating":                 "Rating RatingInput",
	"@/components/ui/ref-picker":             "RefPicker",
	"@/components/ui/search-input":           "SearchInput",
	"@/components/ui/select":                 "Select",
	"@/components/ui/skeleton":               "SkeletonRows",
	"@/components/ui/stat-tile":              "StatTile",
	"@/components/ui/table":                  "SortTh Table Td Th",
	"@/components/ui/tabs":                   "Tabs",
	"@/components/ui/textarea":               "Textarea",
	"@/components/ui/toast":                  "useToast",
	"@/components/ui/toggle-pill":            "TogglePill",
	"@/components/ui/values":                 "Amount DueDay EmailLink Lines Maybe Money PhoneLink Picture RefLink Swatch WebLink",
	"@/components/ui/week-dots":              "WeekDots",
	"@/features/workspace/workspace-context": "useWorkspace",
	"@/hooks/useAuth":                        "useUser",
	"@/hooks/useForm":                        "useForm",
	"@/hooks/useListParams":                  "useListParams type:ListParams",
	"@/hooks/useMediaQuery":                  "useMediaQuery",
	"@/hooks/useOptimisticRow":               "useOptimisticRow",
	"@/hooks/usePageTitle":                   "usePageTitle",
	"@/hooks/useQuery":                       "invalidate useQuery",
	"@/hooks/useRemove":                      "useRemove",
	"@/lib/format":                           "centsToInput dayFromToday formatDay formatExact formatMoney formatMonth formatNumber formatRelative formatTime inputToMoment momentToInput parseMoney parseNumber plural today",
	"@/lib/rls-helpers":                      "changed describeError done one page pageRange PAGE_SIZE rows searchWords",
	"@/lib/streak":                           "streakOf",
	"@/lib/supabase":                         "db",
	"@/lib/utils":                            "cn",
	"@/lib/validation":                       "all between decimal email integer maxLength money phone required url type:Rule",
	"@/routes/paths":                         "paths",
	"@/app.config":                           "appConfig",
	"@/lib/config":                           "type:AppConfig",
	"@/features/workspace/WorkspaceGate":     "WorkspaceGate",
	"@/features/site/SiteGate":               "SiteGate",
}

// names are what the files of this app may import, by name.
func (a *app) names() map[string]imported {
	m := map[string]imported{}
	put := func(module, names string) {
		for name := range strings.FieldsSeq(names) {
			bare := strings.TrimPrefix(name, "type:")
			m[bare] = imported{module, bare != name}
		}
	}
	for module, names := range foundation {
		put(module, names)
	}
	for _, e := range a.Entities {
		dir := "@/features/" + e.Dir + "/"
		for _, part := range []string{"Dialog", "Table", "Board", "List"} {
			put(dir+e.Type+part, e.Type+part)
		}
		put(dir+"use"+e.Type+"Actions", "use"+e.Type+"Actions")
		data := dir + kebab(e.Name) + "-data"
		t, many, c := e.Type, e.Many, e.C()
		put(data, fmt.Sprintf("fetch%s fetchOne%s suggest%s add%s update%s delete%s fetch%[2]sOf fetchBoard%[1]s %[7]sTopics %[7]sSortable fetchPublic%[1]s send%[2]s setVote%[2]s setCheckIn%[2]s type:%[2]sFilter type:%[2]sInput",
			many, t, many, t, t, t, c))
		for _, f := range e.Selects() {
			put(dir+kebab(e.Name)+"-choices", f.Choices)
			put("@/types/database", "type:"+f.TypeName)
		}
		put("@/types/database", "type:"+t+"Row type:"+t+"Line type:Public"+t)
	}
	put("@/types/database", "type:DashboardStats type:Bucket")
	put("@/features/dashboard/dashboard-data", "readDashboard")
	for _, c := range a.Charts {
		put("@/features/dashboard/dashboard-data", c.Fetch)
	}
	for _, l := range a.Lists {
		put("@/features/dashboard/dashboard-data", l.Fetch)
	}
	put("@/features/sample-data", "loadSampleData")
	return m
}

var (
	textPattern    = regexp.MustCompile(`(?s)\x01.*?\x02`)
	commentPattern = regexp.MustCompile(`(?s:/\*.*?\*/)|(?m:(?:^|\s)//[^\n]*$)`)
	stringPattern  = regexp.MustCompile(`"(?:[^"\\\n]|\\.)*"`)
	namePattern    = regexp.MustCompile(`[A-Za-z_$][\w$]*`)
)

// render runs a template and puts the imports that its result needs on top: exactly those, since unused
// ones do not compile. self is the file's own module, "@/..." without an ending.
func (a *app) render(tmpl, self string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&b, tmpl, data); err != nil {
		return nil, fmt.Errorf("write %s: %w", self, err)
	}
	body := pruneActions(b.String())
	bare := textPattern.ReplaceAllString(body, `""`)
	bare = commentPattern.ReplaceAllString(bare, " ")
	bare = stringPattern.ReplaceAllString(bare, `""`)
	modules := map[string][]string{}
	names := a.names()
	seen := map[string]bool{}
	for _, span := range namePattern.FindAllStringIndex(bare, -1) {
		name := bare[span[0]:span[1]]
		if seen[name] || span[0] > 0 && bare[span[0]-1] == '.' && (span[0] < 3 || bare[span[0]-3:span[0]] != "...") {
			continue // a property
		}
		if span[1] < len(bare) && (bare[span[1]] == ':' || bare[span[1]] == '=') {
			continue // the name of a property or of an attribute
		}
		from, ok := names[name]
		if icons[strings.TrimSuffix(name, "Icon")] && strings.HasSuffix(name, "Icon") {
			from, ok = imported{module: "lucide-react"}, true
		} else if name == "LucideIcon" {
			from, ok = imported{"lucide-react", true}, true
		}
		if !ok || from.module == self {
			continue
		}
		seen[name] = true
		if from.typ {
			name = "type " + name
		}
		modules[from.module] = append(modules[from.module], name)
	}
	src := tidy(importLines(modules) + strings.TrimLeft(body, "\n"))
	return []byte(strings.NewReplacer(textStart, "", textEnd, "").Replace(src)), nil
}

var actionsPattern = regexp.MustCompile(`const \{ ([\w, ]+) \} = use\w+Actions\(line\);`)

// pruneActions keeps, where a component takes what it can do from its hook, only the names that it uses.
func pruneActions(body string) string {
	var b strings.Builder
	for {
		at := actionsPattern.FindStringSubmatchIndex(body)
		if at == nil {
			b.WriteString(body)
			return b.String()
		}
		end := strings.Index(body[at[1]:], "\n}\n")
		if end < 0 {
			end = len(body) - at[1]
		}
		scope := textPattern.ReplaceAllString(body[at[1]:at[1]+end], "")
		var used []string
		for name := range strings.SplitSeq(body[at[2]:at[3]], ", ") {
			if regexp.MustCompile(`\b` + name + `\b`).MatchString(scope) {
				used = append(used, name)
			}
		}
		b.WriteString(body[:at[2]] + strings.Join(used, ", ") + body[at[3]:at[1]])
		body = body[at[1]:]
	}
}

// importLines writes imports: packages first, then our modules, each in order of the alphabet.
func importLines(modules map[string][]string) string {
	var paths []string
	for m := range modules {
		paths = append(paths, m)
	}
	slices.SortFunc(paths, func(x, y string) int {
		ownX, ownY := strings.HasPrefix(x, "@/"), strings.HasPrefix(y, "@/")
		if ownX != ownY {
			if ownX {
				return 1
			}
			return -1
		}
		return strings.Compare(strings.ToLower(x), strings.ToLower(y))
	})
	var b strings.Builder
	for _, m := range paths {
		names := modules[m]
		slices.SortFunc(names, func(x, y string) int {
			return strings.Compare(strings.ToLower(strings.TrimPrefix(x, "type ")), strings.ToLower(strings.TrimPrefix(y, "type ")))
		})
		keyword := "import "
		if !slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, "type ") }) {
			keyword = "import type "
			for i := range names {
				names[i] = strings.TrimPrefix(names[i], "type ")
			}
		}
		line := keyword + "{ " + strings.Join(names, ", ") + " } from \"" + m + "\";\n"
		if len(line) > 111 {
			line = keyword + "{\n  " + strings.Join(names, ",\n  ") + ",\n} from \"" + m + "\";\n"
		}
		b.WriteString(line)
	}
	if len(paths) > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

var (
	trailing   = regexp.MustCompile(`[ \t]+\n`)
	blankLines = regexp.MustCompile(`\n{3,}`)
)

// tidy removes what templates leave behind: spaces at line ends and doubled blank lines.
func tidy(s string) string {
	s = trailing.ReplaceAllString(s, "\n")
	s = blankLines.ReplaceAllString(s, "\n\n")
	return strings.TrimRight(s, "\n") + "\n"
}
