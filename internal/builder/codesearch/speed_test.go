package codesearch_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"overskill/internal/builder/codesearch"
	"overskill/internal/filetree"
	"overskill/internal/llm/composer/compile"
	"overskill/internal/llm/composer/understand"
	"overskill/templates"
)

// largeTree is as large as a tree may be, in files: generated apps, folder by folder.
func largeTree(t testing.TB) filetree.Tree {
	t.Helper()
	files := map[string][]byte{}
	prompts := []string{
		"Lend board games: games with title and minutes; loans with borrower, due date and status (out, back)",
		"A garden diary with beds, plants with variety and sowing date, and harvests with weight and day",
		"Vehicle fleet: vehicles with plate and mileage, drivers with phone, inspections with date, cost and vehicle",
	}
	for i := 0; len(files) < filetree.MaxFiles; i++ {
		s := understand.Prompt(prompts[i%len(prompts)])
		own, err := compile.Files(s)
		if err != nil {
			t.Fatal(err)
		}
		app, err := templates.Foundation(templates.Values{AppName: s.Name, AppSlug: "app", AppID: int64(i), TeamID: 1})
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(app, own)
		delete(app, "package-lock.json") // one such file would be half of the bytes
		for _, p := range slices.Sorted(maps.Keys(app)) {
			if len(files) < filetree.MaxFiles {
				files[fmt.Sprintf("src/apps/a%02d/%s", i, p)] = app[p]
			}
		}
	}
	tree, err := filetree.New(files)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// speedQueries are what models look for, and a few that no literal helps to find.
var speedQueries = []codesearch.Query{
	{Pattern: `useState`},
	{Pattern: `useState\(`, CaseSensitive: true},
	{Pattern: `onSubmit`, Include: []string{"src/**/*.tsx"}},
	{Pattern: `export (default )?function \w+Page`},
	{Pattern: `import .* from "@/components/ui/button"`},
	{Pattern: `className="[^"]*text-muted[^"]*"`},
	{Pattern: `formatMoney|formatDay|formatNumber`},
	{Pattern: `interface|type \w+Props`},
	{Pattern: `no such thing anywhere`},
	{Pattern: `TODO|FIXME|XXX`, CaseSensitive: true},
	{Pattern: `supabase`, Exclude: []string{"**/*.sql", "**/lib/**"}},
	{Pattern: `aria-label=`},
	{Pattern: `\bworkspace_id\b`},
	{Pattern: `paths\.\w+\(`},
	{Pattern: `#[0-9a-f]{6}`},
	{Pattern: `=> \{$`},
	{Pattern: `^export const`},
	{Pattern: `<Button[^>]*variant="danger"`},
	{Pattern: `status.*(out|back)`},
	{Pattern: `password`, Include: []string{"*.{ts,tsx}"}},
	{Pattern: `créé|größe`},
	{Pattern: `[A-Z]{4,}`, CaseSensitive: true},
	{Pattern: `\d+`},
	{Pattern: `^\s*$`},
}

// BenchmarkSearchLargeTree asks all queries in turn on 2,000 files. p99_ms is of single searches, worst_ms the
// slowest query's median.
func BenchmarkSearchLargeTree(b *testing.B) {
	tree := largeTree(b)
	took := make([][]time.Duration, len(speedQueries))
	i := 0
	for b.Loop() {
		q := i % len(speedQueries)
		i++
		start := time.Now()
		if _, err := codesearch.Search(tree, speedQueries[q]); err != nil {
			b.Fatal(err)
		}
		took[q] = append(took[q], time.Since(start))
	}
	var all []time.Duration
	worst := time.Duration(0)
	for q, t := range took {
		if len(t) == 0 {
			return // too few rounds to say anything
		}
		slices.Sort(t)
		all = append(all, t...)
		worst = max(worst, t[len(t)/2])
		if testing.Verbose() {
			b.Logf("%-45s %v", speedQueries[q].Pattern, t[len(t)/2])
		}
	}
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(all[len(all)/2]), "p50_ms")
	b.ReportMetric(ms(all[len(all)*99/100]), "p99_ms")
	b.ReportMetric(ms(worst), "worst_ms")
	b.ReportMetric(float64(tree.Size())/1e6, "tree_MB")
}
