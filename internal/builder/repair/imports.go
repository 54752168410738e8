package repair

import (
	"strings"
)

// importRef is one import of a module, or one re-export.
type importRef struct {
	spec      string // what stands in the quotes
	at, end   int    // the statement in the text, up to and with the closing quote
	specAt    int    // where spec begins
	bare      bool   // only the path is known: import("x"), import "x", require("x")
	export    bool   // export ... from
	star      bool   // export * from
	typeOnly  bool
	def       string // local name of the default import
	namespace string // local name of * as
	names     []importName
	braces    bool // has a list, possibly empty
	multiline bool
	quote     string
}

// importName is one entry of { a, b as c, type D }.
type importName struct {
	name, local string
	isType      bool
}

func parseNames(list string) []importName {
	var out []importName
	for entry := range strings.SplitSeq(list, ",") {
		words := strings.Fields(stripComments(entry))
		var n importName
		if len(words) > 1 && words[0] == "type" && words[1] != "as" {
			n.isType, words = true, words[1:]
		}
		switch {
		case len(words) == 1:
			n.name, n.local = words[0], words[0]
		case len(words) == 3 && words[1] == "as":
			n.name, n.local = words[0], words[2]
		default:
			continue
		}
		out = append(out, n)
	}
	return out
}

// stripComments drops // and /* */ comments of a short text without strings.
func stripComments(s string) string {
	for {
		i := strings.Index(s, "/*")
		if i < 0 {
			break
		}
		j := strings.Index(s[i:], "*/")
		if j < 0 {
			return s[:i]
		}
		s = s[:i] + " " + s[i+j+2:]
	}
	var b strings.Builder
	for line := range strings.SplitSeq(s, "\n") {
		code, _, _ := strings.Cut(line, "//")
		b.WriteString(code + " ")
	}
	return b.String()
}

// String writes the statement again, without a semicolon. It is "" when nothing is imported any more.
func (i importRef) String() string {
	var parts []string
	if i.def != "" {
		parts = append(parts, i.def)
	}
	if i.namespace != "" {
		parts = append(parts, "* as "+i.namespace)
	}
	if len(i.names) > 0 {
		names := make([]string, len(i.names))
		for k, n := range i.names {
			names[k] = n.String()
		}
		if i.multiline {
			parts = append(parts, "{\n  "+strings.Join(names, ",\n  ")+",\n}")
		} else {
			parts = append(parts, "{ "+strings.Join(names, ", ")+" }")
		}
	}
	if i.star {
		parts = append(parts, "*")
	}
	if len(parts) == 0 {
		return ""
	}
	word := "import "
	if i.export {
		word = "export "
	}
	if i.typeOnly {
		word += "type "
	}
	return word + strings.Join(parts, ", ") + " from " + i.quote + i.spec + i.quote
}

func (n importName) String() string {
	s := n.name
	if n.local != n.name {
		s += " as " + n.local
	}
	if n.isType {
		s = "type " + s
	}
	return s
}

// locals lists the names that an import brings into its file.
func (i importRef) locals() []string {
	var out []string
	for _, n := range append([]string{i.def, i.namespace}, localNames(i.names)...) {
		if n != "" {
			out = append(out, n)
		}
	}
	return out
}

func localNames(names []importName) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.local
	}
	return out
}

// without drops the local names of an import that fits reports.
func (i importRef) without(drop map[string]bool) (rest importRef, dropped []string) {
	rest = i
	rest.names = nil
	if drop[i.def] {
		rest.def, dropped = "", append(dropped, i.def)
	}
	if drop[i.namespace] {
		rest.namespace, dropped = "", append(dropped, i.namespace)
	}
	for _, n := range i.names {
		if drop[n.local] {
			dropped = append(dropped, n.local)
		} else {
			rest.names = append(rest.names, n)
		}
	}
	return rest, dropped
}
