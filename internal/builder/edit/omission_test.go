package edit

import "testing"

func TestIsOmission(t *testing.T) {
	tests := []struct {
		path string
		yes  []string // lines that stand for code
		no   []string // honest ones
	}{
		{"a.tsx", []string{
			"  // ... existing code ...",
			"// rest of code",
			"// rest of the code",
			"// Rest of your component",
			"// (rest of the code remains the same)",
			"// [rest of file unchanged]",
			"      {/* ... rest of the component ... */}",
			"{/* rest of the component stays the same */}",
			"{/* ... */}",
			"/* ... other imports */",
			"// … unchanged …",
			"// ...",
			"  ...",
			"// existing code",
			"// existing imports remain unchanged",
			"// Your code here",
			"// TODO: rest of the implementation",
			"// everything else stays the same",
			"// same as before",
			"// unchanged",
			"// no changes here",
			"// omitted for brevity",
			"// code omitted for brevity",
			"// snip",
			"// --- snip ---",
			"// keep existing code",
			"// Keep the rest as is",
			"// rest unchanged",
			"return x; // ... remaining logic",
			" * ... existing methods ...",
			"  ... existing code ...",
			"[... rest of the file ...]",
			"// ... (other handlers and existing state)",
		}, []string{
			"  {...props}",
			"  ...rest,",
			"  ...existing,",
			"const a = [...rest, existing];",
			"// Keep the existing sort order when the list is filtered.",
			"{/* Other components */}",
			"// The rest of the row opens the customer",
			"// remaining seconds",
			"// Unchanged rows are skipped",
			"size: 1, // unchanged",
			"// No changes are saved until the form is valid.",
			"// The same as before the import, so that undo works",
			`const url = "https://x.test/existing";`,
			`placeholder="Search existing customers..."`,
			"// Loading...",
			"<p>Loading the remaining rows...</p>",
			"{/* Remaining budget */}",
			"// existing components keep their state",
			"// Previous code points are skipped",
			" * The remaining fields are optional.",
			"a * b ... c",
			"// Omitted values count as zero",
			"// Page content",
			"function rest(...existing: string[]) {}",
		}},
		{"a.html", []string{"<!-- ... rest of the page ... -->", "<!-- rest of the page -->", "<script> // ... existing code"}, []string{"<!-- The remaining space is blue -->", "<p>...</p>"}},
		{"a.sql", []string{"-- ... rest of the schema", "-- rest of the schema", "/* ... existing policies, code ... */", "-- unchanged", "  -- ..."}, []string{"-- existing rows get the default", "-- the rest is up to the policies of the team", "select a -- 1 from b;"}},
		{"a.css", []string{"/* ... existing styles ... */", "/* rest of the styles */", "/* ... */", " * ... other styles ..."}, []string{"/* Other cards */", "  --rest: 1px;", ".existing { color: red }"}},
		{"a.py", []string{"# ... rest of the code", "# existing code"}, []string{"# The rest is rounded", "x = 1"}},
		{"a.yaml", []string{"# ... existing jobs, code unchanged ..."}, []string{"name: rest # of the world"}},
		{"a.json", []string{"  ...", "  // ... existing code ..."}, []string{`"rest": "existing code"`}},
		{"a.md", nil, []string{"... existing code ...", "// ... existing code ...", "..."}},
		{"a.txt", nil, []string{"...", "... rest of the file ..."}},
	}
	for _, test := range tests {
		for _, line := range test.yes {
			if !IsOmission(test.path, line) {
				t.Errorf("%s: %q passes", test.path, line)
			}
		}
		for _, line := range test.no {
			if IsOmission(test.path, line) {
				t.Errorf("%s: %q is refused", test.path, line)
			}
		}
	}
}
