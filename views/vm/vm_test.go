package vm_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/model"
	"overskill/views/vm"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestTime(t *testing.T) {
	for _, tc := range []struct {
		before time.Duration
		want   string
	}{
		{-5 * time.Second, "just now"},
		{0, "just now"},
		{59 * time.Second, "just now"},
		{time.Minute, "1 min ago"},
		{59 * time.Minute, "59 min ago"},
		{time.Hour, "1 h ago"},
		{23 * time.Hour, "23 h ago"},
		{24 * time.Hour, "yesterday"},
		{3 * 24 * time.Hour, "3 days ago"},
		{14 * 24 * time.Hour, "9 Nov"},
		{400 * 24 * time.Hour, "19 Oct 2025"},
	} {
		if got := vm.NewTime(noon.Add(-tc.before), noon).Text; got != tc.want {
			t.Errorf("%v before: %q, want %q", tc.before, got, tc.want)
		}
	}
	if got := vm.NewTime(time.Time{}, noon); got != (vm.Time{}) {
		t.Errorf("the zero time is %v", got)
	}
	local := noon.In(time.FixedZone("CET", 3600))
	if got := vm.NewTime(local, noon).Exact; got != "23 Nov 2026, 12:00:00 UTC" {
		t.Error(got)
	}
}

func TestTook(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-1: "", 0: "< 0.1 s", 49 * time.Millisecond: "< 0.1 s", 50 * time.Millisecond: "0.1 s", 41800 * time.Millisecond: "41.8 s",
		59949 * time.Millisecond: "59.9 s", 59960 * time.Millisecond: "1 min 00 s", 125 * time.Second: "2 min 05 s", time.Hour: "60 min 00 s",
	} {
		if got := vm.Took(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestPerson(t *testing.T) {
	for _, tc := range []struct{ name, email, want, initials string }{
		{"Mareike Oltmanns", "m@x", "Mareike Oltmanns", "MO"},
		{"", "ayse@x.example", "ayse", "A"},
		{"Henrike Brandt-Sørensen", "", "Henrike Brandt-Sørensen", "HS"},
		{"", "", "Someone", "S"},
		{"🦊", "", "🦊", "?"},
		{"émile", "", "émile", "É"},
	} {
		got := vm.NewPerson(model.User{Name: tc.name, Email: tc.email})
		if got.Name != tc.want || got.Initials != tc.initials {
			t.Errorf("%q %q: %+v", tc.name, tc.email, got)
		}
	}
}

func TestParseDiff(t *testing.T) {
	const unified = "--- a/x.ts\n+++ b/x.ts\n@@ -60,3 +60,4 @@ function Booking()\n const form\n-const save = 1\n+const note\n+const save = 2\n \n\\ No newline at end of file\n@@ -90 +91,0 @@\n--- deleted comment\n"
	want := []vm.DiffLine{
		{"h", 0, "lines 60 to 63, function Booking()"},
		{"", 60, "const form"},
		{"d", 61, "const save = 1"},
		{"a", 61, "const note"},
		{"a", 62, "const save = 2"},
		{"", 63, ""},
		{"h", 0, "deleted line 90"},
		{"d", 90, "-- deleted comment"},
	}
	if diff := cmp.Diff(want, vm.ParseDiff(unified)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[int]bool{61: true, 62: true}, vm.ChangedLines(unified)); diff != "" {
		t.Error(diff)
	}
	for _, junk := range []string{"", "hello", "@@", "@@ -1 @@", "@@ -a,b +c,d @@", "@@ -1,-1 +1 @@", "@@ -99999999999999999999 +1 @@", "+added outside a hunk"} {
		if got := vm.ParseDiff(junk); got != nil {
			t.Errorf("%q: %v", junk, got)
		}
	}
}

// A diff holds no more lines than its text, and what it shows is in its text.
func FuzzParseDiff(f *testing.F) {
	f.Add("@@ -1,2 +1,3 @@ f\n a\n-b\n+c\n+d\n")
	f.Add("@@ -0,0 +1 @@\n+x\r\n\\ No newline at end of file")
	f.Fuzz(func(t *testing.T, unified string) {
		lines := vm.ParseDiff(unified)
		if len(lines) > strings.Count(unified, "\n")+1 {
			t.Fatalf("%d lines from %q", len(lines), unified)
		}
		for _, l := range lines {
			if l.Kind != "h" && (!strings.Contains(unified, l.Text) || l.Number < 0) {
				t.Fatalf("%+v is not in %q", l, unified)
			}
		}
	})
}

func TestHighlight(t *testing.T) {
	lines := vm.Highlight("a.tsx", []byte("const x = 1 // one\n\nreturn f(\"a\")\n"), map[int]bool{3: true})
	if len(lines) != 3 || lines[0].Changed || !lines[2].Changed || len(lines[1].Spans) != 0 {
		t.Fatalf("%+v", lines)
	}
	classes := map[string]string{}
	for _, l := range lines {
		for _, s := range l.Spans {
			classes[strings.TrimSpace(s.Text)] = s.Class
		}
	}
	for text, want := range map[string]string{"const": "k", "1": "m", "// one": "c", "return": "k", "f": "f", `"a"`: "s", "x": ""} {
		if classes[text] != want {
			t.Errorf("%s is %q, want %q", text, classes[text], want)
		}
	}
	if !vm.Binary([]byte("a\x00b")) || !vm.Binary([]byte{0xff}) || vm.Binary([]byte("ü")) {
		t.Error("binary")
	}
}

// Colours never change a file: its text is printed line by line as it is.
func FuzzHighlight(f *testing.F) {
	f.Add("a.tsx", "export default () => <a href={`${x}`}>{/* c */}</a>\n")
	f.Add("b.css", "@layer a { .b { color: red } }")
	f.Add("c.sql", "select 'a''b' -- x\n\n\n")
	f.Add("none", "\n\n")
	f.Fuzz(func(t *testing.T, path, content string) {
		if len(content) > 2000 || vm.Binary([]byte(content)) || strings.ContainsRune(content, '\r') {
			return
		}
		var lines []string
		for _, l := range vm.Highlight(path, []byte(content), nil) {
			var b strings.Builder
			for _, s := range l.Spans {
				b.WriteString(s.Text)
			}
			lines = append(lines, b.String())
		}
		if got, want := strings.Join(lines, "\n"), strings.TrimSuffix(content, "\n"); got != want {
			t.Fatalf("%s: %q became %q", path, want, got)
		}
	})
}

func TestProse(t *testing.T) {
	got := vm.Prose("**Bold** and `code`\n\n- one\n- two\n\n<script>alert(1)</script><img src=x onerror=alert(1)>\n\n[ok](https://x.example) [bad](javascript:alert(1)) ![pic](https://x.example/p.png)")
	for _, want := range []string{"<strong>Bold</strong>", "<code>code</code>", "<li>one</li>", `href="https://x.example"`, "noreferrer", `target="_blank"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	for _, bad := range []string{"<script", "<img", "onerror", "javascript:"} {
		if strings.Contains(got, bad) {
			t.Errorf("%s in %s", bad, got)
		}
	}
}

func FuzzProse(f *testing.F) {
	f.Add("# a\n<b onclick=x>\n```\n<script>\n```\n[x](javascript:1)")
	f.Fuzz(func(t *testing.T, markdown string) {
		got := strings.ToLower(vm.Prose(markdown))
		for _, bad := range []string{"<script", "<img", "<iframe", "<style", "<svg", "<form"} {
			if strings.Contains(got, bad) {
				t.Fatalf("%q gives %q", markdown, got)
			}
		}
	})
}

func TestTree(t *testing.T) {
	files := []model.VersionFile{
		{Path: "package.json"}, {Path: "src/App.tsx", Action: "update"}, {Path: "src/lib/a.ts"}, {Path: "src/lib/b.ts", Action: "delete"}, {Path: "public/x.svg"},
	}
	tree, changed := vm.NewTree("s", "1.0.1", "src/App.tsx", files, nil)
	var print func(nodes []*vm.Node, indent string) string
	print = func(nodes []*vm.Node, indent string) string {
		var b strings.Builder
		for _, n := range nodes {
			b.WriteString(indent + n.Name)
			if n.Folder {
				b.WriteString("/")
			}
			if n.Open {
				b.WriteString(" open")
			}
			if n.Current {
				b.WriteString(" current")
			}
			b.WriteString(" " + n.Mark + "\n" + print(n.Nodes, indent+"  "))
		}
		return b.String()
	}
	want := "public/ \n  x.svg \nsrc/ open \n  lib/ open \n    a.ts \n    b.ts D\n  App.tsx current M\npackage.json \n"
	if diff := cmp.Diff(want, print(tree, "")); diff != "" || changed != 2 {
		t.Errorf("%d changed, %s", changed, diff)
	}
	for i := range files {
		files[i].Action = "create"
	}
	if _, changed := vm.NewTree("s", "1.0.0", "", files, nil); changed != 0 {
		t.Error("a first version is all marks")
	}
	for _, tc := range []struct {
		files []model.VersionFile
		want  string
	}{
		{nil, ""},
		{files, "src/App.tsx"},
		{[]model.VersionFile{{Path: "a", Action: "delete"}}, ""},
		{[]model.VersionFile{{Path: "src/App.tsx", Action: "update"}, {Path: "src/pages/P.tsx", Action: "update"}}, "src/pages/P.tsx"},
	} {
		if got := vm.FirstFile(tc.files); got != tc.want {
			t.Errorf("first file %q, want %q", got, tc.want)
		}
	}
}

func stage(step int, status model.StageStatus, from, to time.Duration) model.Stage {
	s := model.Stage{Name: "s", Step: step, Status: status}
	if from >= 0 {
		s.StartedAt = noon.Add(from)
	}
	if to >= 0 {
		s.EndedAt = noon.Add(to)
	}
	return s
}

func TestTurnStates(t *testing.T) {
	second := time.Second
	for _, tc := range []struct {
		name   string
		status model.VersionStatus
		stages []model.Stage
		want   string // the words of the six steps
		now    int
	}{
		{"queued", model.VersionQueued, nil, "waiting waiting waiting waiting waiting waiting", 0},
		{"running", model.VersionBuilding, []model.Stage{stage(1, model.StageDone, 0, second), stage(2, model.StageRunning, second, -1)}, "done running waiting waiting waiting waiting", 2},
		{"between two stages of a step", model.VersionBuilding, []model.Stage{stage(5, model.StageDone, 0, second), stage(5, model.StageWaiting, -1, -1)}, "waiting waiting waiting waiting running waiting", 5},
		{"failed", model.VersionFailed, []model.Stage{stage(1, model.StageDone, 0, second), stage(5, model.StageFailed, second, 2*second)}, "done waiting waiting waiting failed waiting", 0},
		{"stopped", model.VersionStopped, []model.Stage{stage(4, model.StageStopped, 0, second)}, "waiting waiting waiting stopped waiting waiting", 0},
		{"unknown steps", model.VersionGreen, []model.Stage{stage(0, model.StageDone, 0, second), stage(7, model.StageFailed, 0, second)}, "waiting waiting waiting waiting waiting waiting", 0},
	} {
		turn := vm.NewTurn("s", model.Turn{Version: model.Version{ID: 1, Status: tc.status, CreatedAt: noon, EndedAt: noon.Add(3 * second)}, Stages: tc.stages}, "1.0.0", false, noon.Add(5*second))
		var words []string
		for _, s := range turn.Steps {
			words = append(words, s.Word)
		}
		if got := strings.Join(words, " "); got != tc.want || turn.Now != tc.now {
			t.Errorf("%s: %s, now %d", tc.name, got, turn.Now)
		}
		if turn.Running() != (turn.Took == "") || turn.Open != turn.Running() || (turn.Error != "") != (tc.status == model.VersionFailed) {
			t.Errorf("%s: %+v", tc.name, turn)
		}
	}
}

func TestToolsStandUnderTheirStep(t *testing.T) {
	turn := vm.NewTurn("s", model.Turn{
		Version: model.Version{ID: 9, Status: model.VersionGreen, CreatedAt: noon, EndedAt: noon.Add(time.Minute)},
		Stages:  []model.Stage{stage(4, model.StageDone, 0, time.Second), stage(5, model.StageDone, time.Second, 2*time.Second)},
		Tools: []model.ToolCall{
			{Seq: 1, Name: "os-write", Path: "src/a.ts", OK: true, Added: 3, StartedAt: noon},
			{Seq: 2, Name: "os-line-replace", Path: "src/a.ts", OK: true, Added: 1, Removed: 1, StartedAt: noon.Add(1500 * time.Millisecond)},
			{Seq: 3, Name: "os-write", Path: "b.ts", Added: 50, StartedAt: noon.Add(time.Hour)},
		},
	}, "", true, noon)
	if len(turn.Steps[3].Tools) != 2 || len(turn.Steps[4].Tools) != 1 || turn.Steps[4].Tools[0].URL != "/apps/s/turns/9/tools/2" {
		t.Errorf("%+v", turn.Steps)
	}
	if turn.Added != 4 || turn.Removed != 1 || turn.Changes != 2 {
		t.Errorf("a refused call counts: %+v", turn)
	}
}

func TestRuleIsTrue(t *testing.T) {
	turn := vm.NewTurn("s", model.Turn{
		Version: model.Version{ID: 9, Status: model.VersionGreen, CreatedAt: noon, EndedAt: noon.Add(10 * time.Second)},
		Stages:  []model.Stage{stage(1, model.StageDone, 0, 5*time.Second), stage(4, model.StageDone, 5*time.Second, 10*time.Second)},
	}, "", true, noon)
	want := []vm.Bar{{X: "0.0", Width: "298.0", Class: "done"}, {X: "300.0", Width: "298.0", Class: "done"}}
	if diff := cmp.Diff(want, turn.Rule.Bars); diff != "" || turn.Rule.Unit != "1 s" || strings.Count(turn.Rule.Ticks, "M") != 11 {
		t.Errorf("%s %+v", diff, turn.Rule)
	}
}

func TestVersionBar(t *testing.T) {
	versions := []model.Version{{ID: 3, Number: "1.0.2", Status: model.VersionFailed}, {ID: 2, Number: "1.0.1", Status: model.VersionGreen}, {ID: 1, Number: "1.0.0", Status: model.VersionGreen}}
	for _, tc := range []struct {
		name          string
		head          int64
		versions      []model.Version
		live, pending string
	}{
		{"a failure after a green one", 2, versions, "1.0.1", "1.0.2"}, {"green", 2, versions[1:], "1.0.1", ""}, {"nothing", 0, nil, "", ""}, {"nothing green", 0, versions[:1], "", "1.0.2"},
	} {
		bar := vm.NewVersionBar(model.App{HeadVersionID: tc.head}, tc.versions, vm.Turn{})
		if bar.Live != tc.live || bar.Pending != tc.pending {
			t.Errorf("%s: %+v", tc.name, bar)
		}
	}
	if got := vm.LiveBefore(versions, 3); got != "1.0.1" {
		t.Error(got)
	}
	if got := vm.LiveBefore(versions, 1); got != "" {
		t.Error(got)
	}
}

func TestCards(t *testing.T) {
	for _, tc := range []struct {
		status model.AppStatus
		head   string
		want   string
	}{
		{model.AppDraft, "", "Not built yet"},
		{model.AppGenerating, "1.0.0", "Building"},
		{model.AppGenerated, "1.0.3", "Live 1.0.3"},
		{model.AppFailed, "", "Failed"},
		{model.AppFailed, "1.0.3", "Last change failed, 1.0.3 is live"},
	} {
		card := vm.NewCard(model.AppCard{App: model.App{Slug: "s", Status: tc.status}, Head: model.Version{Number: tc.head}, HasScreenshot: true}, noon)
		if card.Pill.Text != tc.want || (card.Shot != "") != (tc.head != "") {
			t.Errorf("%v: %+v", tc, card)
		}
	}
}
