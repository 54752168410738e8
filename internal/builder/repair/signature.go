package repair

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/model"
)

// What differs between two reports of the same problem.
var (
	positions = regexp.MustCompile(`:\d+(?::\d+)?\b|\b(?i:lines?|columns?|col) \d+(?:(?: to |-)\d+)?`)
	hashes    = regexp.MustCompile(`\b[0-9a-fA-F]{8,}\b|-[A-Za-z0-9_-]{8}(\.(?:js|css|mjs|svg|png|woff2?)\b)`)
	timings   = regexp.MustCompile(`\b\d+(?:\.\d+)?\s?(?:ms|s|kB|KB|MB|bytes)\b`)
	temporary = regexp.MustCompile(`(?:/[\w.@+-]+)*/(?:tmp|T|node_modules)/[\w./@+-]*`)
	numbers   = regexp.MustCompile(`\b\d+\b`)
)

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
	s = temporary.ReplaceAllString(s, "<path>")
	s = hashes.ReplaceAllString(s, "<hash>$1")
	s = timings.ReplaceAllString(s, "<n>")
	s = positions.ReplaceAllString(s, "<at>")
	s = numbers.ReplaceAllString(s, "<n>")
	return strings.Join(strings.Fields(strings.ToLower(s)), " ")
}
