package compile

import (
	"maps"
	"regexp"
	"strings"
)

// This file keeps what people call their things apart from what the code calls its own. Every identifier that is
// made of a spec's names is taken from one register, which begins with everything that the templates, the
// foundation and the icons say already. A thing called "rating", whose type RatingInput would be the name of a
// component, becomes "rating record"; its table, its address and its labels stay what they are.

// spoken are the identifiers that stand in the templates and those that files may import. It is never changed.
var spoken = func() taken {
	t := taken{}
	action := regexp.MustCompile(`(?s)<%.*?%>`)
	entries, err := templateFiles.ReadDir("tmpl")
	if err != nil { // embedded
		panic(err)
	}
	for _, entry := range entries {
		src, err := templateFiles.ReadFile("tmpl/" + entry.Name())
		if err != nil {
			panic(err)
		}
		t.reserve(namePattern.FindAllString(action.ReplaceAllString(string(src), " "), -1)...)
	}
	for _, names := range foundation {
		for name := range strings.FieldsSeq(names) {
			t.reserve(strings.TrimPrefix(name, "type:"))
		}
	}
	for name := range icons {
		t.reserve(name + "Icon")
	}
	return t
}()

// newIdentifiers returns a register in which only what the code says itself is taken.
func newIdentifiers() taken { return maps.Clone(spoken) }

// claim takes all names that derive makes of a stem, and returns the first stem for which all of them are free. The
// stem is tried as it is, with another word after it, then with numbers.
func (t taken) claim(stem, word string, derive func(stem string) []string) string {
	candidates := taken{}
	for {
		s := candidates.pick(stem, stem+"_"+word)
		if names := derive(s); t.free(names) {
			t.reserve(names...)
			return s
		}
	}
}

// free reports whether none of the names is in use, and none is there twice.
func (t taken) free(names []string) bool {
	seen := taken{}
	for _, n := range names {
		if t[n] || seen[n] {
			return false
		}
		seen[n] = true
	}
	return true
}

// singularIdentifiers are made of an entity's Type; those with a colon are keys and files, not code.
func singularIdentifiers(stem string) []string {
	t, c := pascal(stem), camel(stem)
	return []string{
		t + "Row", t + "Line", "Public" + t, t + "Input", t + "Filter",
		t + "Dialog", t + "DialogProps", t + "Table", t + "TableProps", t + "Board", t + "BoardProps",
		t + "List", t + "ListProps", t + "Form", t + "DetailPage",
		"use" + t + "Actions", c + "Topics", c + "Sortable",
		"fetchOne" + t, "fetch" + t + "Of", "add" + t, "update" + t, "delete" + t, "send" + t, "setVote" + t, "setCheckIn" + t,
		"path:" + c + "Detail", "page:" + strings.ToLower(t) + "detail", "page:public/" + strings.ToLower(t) + "form",
	}
}

// pluralIdentifiers are made of an entity's Many.
func pluralIdentifiers(stem string) []string {
	m, c := pascal(stem), camel(stem)
	return []string{
		"fetch" + m, "fetchBoard" + m, "fetchPublic" + m, "suggest" + m, m + "Page", "Public" + m, c + "Ids",
		"path:" + c, "path:public" + m, "page:" + strings.ToLower(m), "page:public/public" + strings.ToLower(m),
	}
}

// foundationPlaces are the addresses and the files in pages/ that the foundation and a tenancy bring, as
// singularIdentifiers writes them.
var foundationPlaces = []string{
	"path:dashboard", "path:team", "path:join", "path:landing", "path:login", "path:signup", "path:forgotPassword",
	"page:dashboard", "page:notfound", "page:team", "page:join", "page:auth", "page:public",
}

// foundationDirs are first parts of addresses that lead elsewhere: to pages of the foundation, to the data
// service, or to the site's own files.
var foundationDirs = []string{
	"workspace", "site", "dashboard", "team", "join", "login", "signup", "forgot-password",
	"p", "assets", "auth", "rest", "storage", "functions", "realtime", "api",
}

// listParams are parameters in a list's address, and parts of its filter, that mean something already.
var listParams = []string{"q", "page", "sort", "dir", "view", "only", "add", "ascending"}

// systemColumns cannot be columns of a table, or would be read as a property that every object has.
var systemColumns = []string{"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "constructor"}

// queryWords are parameters of the data service: a column of that name cannot be compared with.
var queryWords = map[string]bool{
	"select": true, "order": true, "limit": true, "offset": true, "and": true, "or": true, "not": true, "columns": true, "on_conflict": true,
}
