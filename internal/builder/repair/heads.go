package repair

import (
	"regexp"
	"strings"
)

var (
	blockComment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	exportWord   = regexp.MustCompile(`\bexport\b`)
	exportHead   = regexp.MustCompile(`(?m)^[ \t]*export\s+(?:` +
		`(default)\b|` +
		`(?:declare\s+)?(?:async\s+)?(?:function\b\s*\*?|abstract\s+class\b|class\b|const\s+enum\b|enum\b|interface\b|namespace\b|type\b)\s*([\w$]+)|` +
		`(?:declare\s+)?(?:const|let|var)\s+([\w$]+)\s*([^\n]*)|` +
		`(?:type\s*)?\{([^{}]*)\}|` +
		`\*\s*as\s+([\w$]+)|` +
		`(\*\s*from\s*["'][^"'\n]+["']))`)
)

// exportHeads reads the exports of a module off its text, which takes a hundredth of the time of parsing it. sure is false
// when the text says "export" in a way that only a parser understands, or in another sense.
func exportHeads(text string) (names map[string]bool, sure bool) {
	names = map[string]bool{}
	matches := exportHead.FindAllStringSubmatch(text, -1)
	sure = len(matches) == len(exportWord.FindAllStringIndex(text, -1))
	if strings.Contains(text, "/*") { // what is commented out is no export
		sure = sure && len(matches) == len(exportHead.FindAllStringIndex(blockComment.ReplaceAllString(text, " "), -1))
	}
	for _, m := range matches {
		for _, name := range []string{m[1], m[2], m[3], m[6], m[7]} {
			if name != "" {
				names[strings.Join(strings.Fields(name), " ")] = true
			}
		}
		if rest := strings.TrimSpace(m[4]); strings.HasPrefix(rest, ",") || strings.HasSuffix(rest, ",") || m[3] != "" && rest == "" {
			sure = false // const a = 1,
		}
		for _, n := range parseNames(m[5]) {
			names[n.local] = true
		}
	}
	return names, sure
}

// keepsExports reports whether everything that a module exported is certain to be exported still.
func keepsExports(was, is string) bool {
	old, sure := exportHeads(was)
	if !sure {
		return false
	}
	now, sure := exportHeads(is)
	if !sure {
		return false
	}
	for name := range old {
		if !now[name] {
			return false
		}
	}
	return true
}
