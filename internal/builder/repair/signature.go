package repair

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/model"
)

// What differs between two reports of the same problem, in the order in which it is taken out.
var noise = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\x1b\[[0-9;]*m`), ""}, // colours
	// Folders that are made for one run; the file below them is the app's.
	{regexp.MustCompile(`(?:/[\w.@+-]+)*/(?:tmp|T)/(?:[\w.@+-]+/)*?((?:src|public|supabase|node_modules)/)`), "$1"},
	{regexp.MustCompile(`(?:/[\w.@+-]+)+/(node_modules/)`), "$1"},
	{regexp.MustCompile(`(?:/[\w.@+-]+)*/(?:tmp|T)/[\w./@+-]*`), "<path>"},
	{regexp.MustCompile(`\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b`), "<id>"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?`), "<time>"},
	{regexp.MustCompile(`\b0x[0-9a-fA-F]+\b`), "<n>"},
	{regexp.MustCompile(`\b[0-9a-fA-F]{8,}\b`), "<hash>"},
	{regexp.MustCompile(`-[A-Za-z0-9_-]{8}(\.(?:js|css|mjs|svg|png|woff2?)\b)`), "<hash>$1"},
	{regexp.MustCompile(`\b\d+(?:[.,]\d+)*\s?(?:ms|s|kB|KB|MB|bytes)\b`), "<n>"},
	{regexp.MustCompile(`:\d+(?::\d+)?\b|\(\d+,\d+\)|\b(?i:lines?|columns?|col) \d+(?:(?: to |-)\d+)?`), "<at>"},
	{regexp.MustCompile(`\b\d+(?:[.,]\d+)*\b`), "<n>"},
	{regexp.MustCompile("[\"'`‘’“”]"), "'"},
	{regexp.MustCompile(`\s*(?:\.\.\.|…)?\s*(?:and )?<n> more\b[^.\n]*\.*\s*$`), ""}, // "... and 3 more"
}

// Signature names a set of problems so that the same problems have the same name after another attempt: what
// changes between attempts without meaning anything (positions, hashes, sizes, order, repetition) does not count, the
// files and the words do. Warnings count only if there is nothing else. No problems have the signature "".
func Signature(diags []model.Diagnostic) string {
	lines := normalised(diags, false)
	if len(lines) == 0 {
		lines = normalised(diags, true)
	}
	if len(lines) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:16])
}

func normalised(diags []model.Diagnostic, warnings bool) []string {
	var lines []string
	for _, d := range diags {
		if d.Warning != warnings {
			continue
		}
		lines = append(lines, strings.Join([]string{d.Class, normalise(d.File), d.Code, normalise(d.Message)}, "|"))
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func normalise(s string) string {
	for _, n := range noise {
		s = n.what.ReplaceAllString(s, n.with)
	}
	return strings.Join(strings.Fields(strings.ToLower(s)), " ")
}
