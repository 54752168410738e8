package templates

import (
	"encoding/json"
	"html"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// names that try to leave the place that they are put in.
var names = []string{
	"Notes", `Robert'); DROP TABLE "apps";-- <b>`, "</title><script>alert(1)</script>", "`${x}`", `back\slash`, "two\nlines", "{{APP_ID}}", "Ünïcode ☕",
}

func TestFoundationSurvivesEveryName(t *testing.T) {
	for _, name := range names {
		files, err := Foundation(Values{AppName: name, AppSlug: "my-app", AppID: 12, TeamID: 7})
		if err != nil {
			t.Fatal(err)
		}
		for p, c := range files {
			loader, ok := map[string]api.Loader{".ts": api.LoaderTS, ".tsx": api.LoaderTSX, ".css": api.LoaderCSS, ".json": api.LoaderJSON, ".js": api.LoaderJS}[filepath.Ext(p)]
			if !ok || name != names[1] && !strings.Contains(p, "app.config") && !strings.Contains(p, "package") {
				continue
			}
			if r := api.Transform(string(c), api.TransformOptions{Loader: loader, JSX: api.JSXAutomatic, LogLevel: api.LogLevelSilent}); len(r.Errors) > 0 {
				t.Errorf("%q: %s: %s", name, p, r.Errors[0].Text)
			}
		}
		var manifest struct{ Name string }
		if err := json.Unmarshal(files["package.json"], &manifest); err != nil || manifest.Name != "my-app" {
			t.Errorf("package.json is called %q: %v", manifest.Name, err)
		}
		title := regexp.MustCompile(`(?s)<title>(.*)</title>`).FindSubmatch(files["index.html"])
		if title == nil || strings.ContainsAny(string(title[1]), `<>"`) || html.UnescapeString(string(title[1])) != name {
			t.Errorf("title of %q is %q", name, title)
		}
		if !strings.Contains(string(files[".env.example"]), "VITE_APP_ID=12\n") {
			t.Error(".env.example lacks the app's id")
		}
	}
}

func TestFoundationIsComplete(t *testing.T) {
	files, err := Foundation(Values{AppName: "Notes", AppSlug: "notes", AppID: 1, TeamID: 1})
	if err != nil {
		t.Fatal(err)
	}
	imports := regexp.MustCompile(`(?:from|import)\s*\(?"(@/[^"]+)"`)
	left := regexp.MustCompile(`\{\{[A-Z_]+\}\}`)
	for p, c := range files {
		if m := left.Find(c); m != nil {
			t.Errorf("%s still holds %s", p, m)
		}
		for _, m := range imports.FindAllSubmatch(c, -1) {
			base := "src/" + strings.TrimPrefix(string(m[1]), "@/")
			if files[base] == nil && files[base+".ts"] == nil && files[base+".tsx"] == nil {
				t.Errorf("%s imports %s, which does not exist", p, m[1])
			}
		}
	}
	if strings.Contains(string(files["package-lock.json"]), `"resolved"`) {
		t.Error("the lock names where packages were fetched")
	}
	if len(Groups()) != 5 {
		t.Errorf("groups are %v", Groups())
	}
}

func FuzzFill(f *testing.F) {
	for _, name := range names {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		v := Values{AppName: name, AppSlug: "a", AppID: 1}
		var back string
		if err := json.Unmarshal(Fill([]byte(`"{{APP_NAME}}"`), v), &back); err != nil {
			t.Errorf("%q is no JSON string: %v", name, err)
		}
		if markup := string(Fill([]byte("<p>{{APP_NAME}}</p>"), v)); strings.Count(markup, "<") != 2 {
			t.Errorf("%q became %s", name, markup)
		}
	})
}
