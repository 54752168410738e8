package plan

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
)

func options() Options {
	return Options{AppID: 7, VersionID: 42, Slug: "todo", VersionNumber: "1.0.3", Environment: "preview"}
}

func size(n int) []byte { return bytes.Repeat([]byte("x"), n) }

// other returns n bytes that no other call with another seed returns.
func other(seed byte, n int) []byte { return bytes.Repeat([]byte{seed}, n) }

func embedded(p Plan) (paths []string) {
	for _, a := range p.Assets {
		if a.Place == InWorker {
			paths = append(paths, a.Path)
		}
	}
	return paths
}

func TestPlacement(t *testing.T) {
	tests := map[string]struct {
		dist  map[string][]byte
		entry []string
		room  int      // bytes besides the script of an empty build; 0: the default budget
		want  []string // embedded
		notes int
	}{
		"all small": {
			dist: map[string][]byte{"index.html": size(300), "assets/app.js": size(9000), "favicon.svg": size(400)},
			want: []string{"/assets/app.js", "/favicon.svg", "/index.html"}, entry: []string{"assets/app.js"},
		},
		"entries may be large, the rest may not": {
			dist: map[string][]byte{
				"index.html": size(300), "assets/app.js": other(1, 400_000), "assets/app.css": other(2, 80_000),
				"assets/lazy.js": other(3, 50_001), "assets/hero.png": other(4, 60_000), "assets/small.png": other(5, 50_000),
			},
			entry: []string{"assets/app.js", "/assets/app.css"},
			want:  []string{"/assets/app.css", "/assets/app.js", "/assets/small.png", "/index.html"},
		},
		"an entry that does not fit goes to R2, with a note": {
			dist:  map[string][]byte{"index.html": size(300), "assets/app.js": other(1, 950_000), "assets/app.css": other(2, 30_000)},
			entry: []string{"assets/app.js", "assets/app.css"},
			want:  []string{"/assets/app.css", "/index.html"}, notes: 1,
		},
		"styles before scripts before routes before pictures": {
			dist: map[string][]byte{
				"index.html": size(300), "a.png": other(1, 20_000), "lazy.js": other(2, 20_000),
				"app.js": other(3, 20_000), "app.css": other(4, 20_000),
			},
			entry: []string{"app.js", "app.css"}, room: 62_000,
			want: []string{"/app.css", "/app.js", "/index.html", "/lazy.js"},
		},
		"source maps stay out": {
			dist:  map[string][]byte{"index.html": size(300), "app.js": size(10), "app.js.map": size(20)},
			entry: []string{"app.js"}, want: []string{"/app.js", "/index.html"},
		},
		"the same content travels once": {
			dist: map[string][]byte{"index.html": size(300), "a.svg": other(1, 40_000), "b.svg": other(1, 40_000)}, room: 45_000,
			want: []string{"/a.svg", "/b.svg", "/index.html"},
		},
		"empty files": {
			dist: map[string][]byte{"index.html": nil, "a.css": {}}, want: []string{"/a.css", "/index.html"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			opt := options()
			if tt.room > 0 {
				opt.Budget = tt.room + int(emptyWorker(t))
			}
			p, err := Make(tt.dist, tt.entry, opt)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, embedded(p)); diff != "" {
				t.Error(diff)
			}
			if len(p.Notes) != tt.notes {
				t.Errorf("notes: %q", p.Notes)
			}
			checkPlan(t, p, tt.dist)
		})
	}
}

// emptyWorker returns what a Worker weighs that serves nothing.
func emptyWorker(t *testing.T) int64 {
	t.Helper()
	p, err := Make(map[string][]byte{"index.html": nil}, nil, options())
	if err != nil {
		t.Fatal(err)
	}
	return p.WorkerBytes
}

// checkPlan holds every plan to what Make promises.
func checkPlan(t *testing.T, p Plan, dist map[string][]byte) {
	t.Helper()
	if p.WorkerBytes >= p.Budget {
		t.Errorf("%d bytes are not under %d", p.WorkerBytes, p.Budget)
	}
	total := int64(len(p.WorkerScript))
	modules := map[string][]byte{}
	for _, m := range p.Modules() {
		total += int64(len(m.Content))
		if _, twice := modules[m.Name]; twice {
			t.Errorf("module %s twice", m.Name)
		}
		modules[m.Name] = m.Content
		if !bytes.Contains(p.WorkerScript, fmt.Appendf(nil, "from \"./%s\";\n", m.Name)) {
			t.Errorf("module %s is not imported", m.Name)
		}
	}
	if total != p.WorkerBytes {
		t.Errorf("WorkerBytes = %d, script and modules have %d", p.WorkerBytes, total)
	}
	if got := bytes.Count(append([]byte("\n"), p.WorkerScript...), []byte("\nimport ")); got != len(modules) {
		t.Errorf("%d imports for %d modules", got, len(modules))
	}
	if len(p.Assets) != len(dist) {
		t.Errorf("%d assets of %d files", len(p.Assets), len(dist))
	}
	for i, a := range p.Assets {
		if i > 0 && p.Assets[i-1].Path >= a.Path {
			t.Errorf("%s is out of order", a.Path)
		}
		content, ok := dist[strings.TrimPrefix(a.Path, "/")]
		if !ok {
			content = dist[a.Path]
		}
		if !bytes.Equal(content, a.Content) || a.Size != int64(len(content)) {
			t.Errorf("%s has other content", a.Path)
		}
		if want := fmt.Sprintf("apps/7/%s%s", a.Hash, a.Path); a.R2Key != want {
			t.Errorf("key %s, want %s", a.R2Key, want)
		}
		if a.Place == InWorker && !bytes.Equal(modules[moduleName(a.Hash)], a.Content) {
			t.Errorf("%s is not in its module", a.Path)
		}
		if n := bytes.Count(p.WorkerScript, append([]byte("["), append(quote(a.Path), ",["...)...)); n != 1 {
			t.Errorf("%s is %d times in the table", a.Path, n)
		}
	}
}

func TestTooBig(t *testing.T) {
	many := map[string][]byte{"index.html": size(10)}
	for i := range 12_000 {
		many[fmt.Sprintf("icons/%05d.svg", i)] = other(byte(i), 10)
	}
	tests := map[string]struct {
		dist  map[string][]byte
		first string
		text  string
	}{
		"index.html": {map[string][]byte{"index.html": size(900_000), "a.js": size(10)}, "/index.html", "data: URLs"},
		"too many":   {many, "/icons", "12000 of 12001 files"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Make(tt.dist, nil, options())
			var big *TooBigError
			if !errors.As(err, &big) {
				t.Fatalf("got %v", err)
			}
			if big.Items[0].Path != tt.first || !strings.Contains(big.Error(), tt.text) || big.Bytes < big.Budget {
				t.Errorf("got %+v", big)
			}
			if !fault.Is(err, fault.TooLarge) || !strings.Contains(fault.Text(err), tt.text) {
				t.Errorf("a person reads %q", fault.Text(err))
			}
			if d := big.Diagnostics(); len(d) != len(big.Items) || d[0].Class != "too_big" || d[0].Cure == "" {
				t.Errorf("diagnostics %+v", d)
			}
		})
	}
}

func TestInvalid(t *testing.T) {
	tests := map[string]struct {
		dist  map[string][]byte
		entry []string
	}{
		"nothing":       {dist: nil},
		"no index":      {dist: map[string][]byte{"app.js": nil}},
		"above root":    {dist: map[string][]byte{"index.html": nil, "../x": nil}},
		"dot":           {dist: map[string][]byte{"index.html": nil, "a/./b": nil}},
		"folder":        {dist: map[string][]byte{"index.html": nil, "a/": nil}},
		"backslash":     {dist: map[string][]byte{"index.html": nil, `a\b`: nil}},
		"control":       {dist: map[string][]byte{"index.html": nil, "a\nb": nil}},
		"not UTF-8":     {dist: map[string][]byte{"index.html": nil, "a\xff": nil}},
		"twice":         {dist: map[string][]byte{"index.html": nil, "/index.html": nil}},
		"endpoint":      {dist: map[string][]byte{"index.html": nil, "_health": nil}},
		"unknown entry": {dist: map[string][]byte{"index.html": nil}, entry: []string{"app.js"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Make(tt.dist, tt.entry, options()); !fault.Is(err, fault.Invalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHash(t *testing.T) {
	dist := map[string][]byte{"index.html": size(10), "a.js": size(20)}
	hash := func(dist map[string][]byte, opt Options) string {
		t.Helper()
		p, err := Make(dist, nil, opt)
		if err != nil {
			t.Fatal(err)
		}
		return p.Hash
	}
	want := hash(dist, options())
	if got := hash(dist, Options{AppID: 1, Slug: "other", Environment: "production"}); got != want {
		t.Error("the hash must not depend on whom the plan is for")
	}
	for name, changed := range map[string]map[string][]byte{
		"content": {"index.html": size(10), "a.js": size(21)},
		"name":    {"index.html": size(10), "b.js": size(20)},
		"more":    {"index.html": size(10), "a.js": size(20), "b.js": nil},
	} {
		if hash(changed, options()) == want {
			t.Errorf("the hash must depend on the %s", name)
		}
	}
}

func TestMakeIsDeterministic(t *testing.T) {
	dist := map[string][]byte{"index.html": size(10)}
	for i := range 200 {
		dist[fmt.Sprintf("assets/%d.js", i)] = other(byte(i), 1000+i)
	}
	first, err := Make(dist, []string{"assets/3.js"}, options())
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := Make(dist, []string{"assets/3.js"}, options())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.WorkerScript, again.WorkerScript) {
			t.Fatal("two scripts for one build")
		}
	}
}

// FuzzMake builds from sizes and names that nobody chose: a plan either holds its promises or says what is wrong.
func FuzzMake(f *testing.F) {
	f.Add("index.html\nassets/a.js\nassets/b.css", uint32(1000), uint16(90), 900_000)
	f.Add("index.html\nx.png\ny.map\nz/index.html", uint32(70_000), uint16(3), 100_000)
	f.Add("index.html\n\u2028.js\n\"];.js\n</script>.html", uint32(10), uint16(1), 0)
	f.Fuzz(func(t *testing.T, names string, step uint32, entries uint16, budget int) {
		if budget < 0 || budget > 2_000_000 {
			return
		}
		dist := map[string][]byte{}
		var entry []string
		for i, name := range strings.Split(names, "\n") {
			if i == 40 {
				break
			}
			dist[name] = other(byte(i), i*int(step%100_000))
			if entries>>(i%16)&1 == 1 {
				entry = append(entry, name)
			}
		}
		opt := options()
		opt.Budget = budget
		p, err := Make(dist, entry, opt)
		if err != nil {
			if !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.TooLarge) {
				t.Fatalf("unexpected kind of error: %v", err)
			}
			return
		}
		checkPlan(t, p, dist)
	})
}

func BenchmarkMake(b *testing.B) {
	dist := map[string][]byte{"index.html": size(1500), "assets/index-AB23CD45.js": other(1, 500_000), "assets/index-AB23CD46.css": other(2, 40_000)}
	for i := range 100 {
		dist[fmt.Sprintf("assets/chunk-%d.js", i)] = other(byte(i), 8_000)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Make(dist, []string{"assets/index-AB23CD45.js", "assets/index-AB23CD46.css"}, options()); err != nil {
			b.Fatal(err)
		}
	}
}
