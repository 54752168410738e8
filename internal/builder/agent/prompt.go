package agent

import (
	"bytes"
	_ "embed"
	"fmt"
	"regexp"
	"strings"

	"overskill/docs"
	"overskill/internal/filetree"
)

//go:embed prompt.md
var prompt string

const (
	maxIndex      = 400    // files listed in the system prompt
	maxIndexBytes = 30_000 // of the list
	maxNotes      = 8_000  // bytes
	maxSchema     = 6_000  // bytes
	maxNames      = 8      // exports named beside a file
)

// systemPrompt has two parts. The first is the same for all apps: how to work, and the standards that apps keep. The
// second is what this app has: notes, tables, files. Both stay as they are through a turn, since providers keep a
// prompt that begins as the one before.
//
// Only the second part names files below src/features and supabase/migrations, or a spec: the Composer sees by them
// whether there is an app already.
func systemPrompt(in Input, w window) []string {
	var b strings.Builder
	files := in.Base
	if files.Len() == 0 {
		files = in.Foundation
		b.WriteString("# This app\nThere is no version yet. It starts from the files of the foundation.\n")
	} else {
		b.WriteString("# This app\n")
	}
	section := func(title, mark, text string, most int64) {
		if text = strings.TrimSpace(text); text != "" {
			b.WriteString("\n## " + title + "\n" + asData(mark, bounded(text, w.bytes(indexPart, most))) + "\n")
		}
	}
	section("Notes that the app keeps about itself", "notes", in.Notes, maxNotes)
	section("Tables", "tables", in.Schema, maxSchema)
	if len(in.Locked) > 0 {
		b.WriteString("\n## Locked by people: you cannot change\n" + bounded(strings.Join(in.Locked, "\n"), maxNotes) + "\n")
	}
	b.WriteString("\n## The files\n")
	b.WriteString(fileIndex(files, w.bytes(indexPart, maxIndexBytes)))
	return []string{prompt + "\n" + docs.AIAppStandards, b.String()}
}

// fileIndex lists files with what they export, in at most so many bytes.
func fileIndex(files filetree.Tree, most int) string {
	if files.Len() == 0 {
		return "There are none yet.\n"
	}
	var b strings.Builder
	for i, p := range files.Paths() {
		content, _ := files.Get(p)
		line := fmt.Sprintf("%s (%d bytes, not text)\n", p, len(content))
		if filetree.IsText(content) {
			line = fmt.Sprintf("%s (%d lines)%s\n", p, countLines(content), exportsOf(p, content))
		}
		if i == maxIndex || b.Len()+len(line) > most {
			fmt.Fprintf(&b, "... and %d more; list a folder with os-view\n", files.Len()-i)
			break
		}
		b.WriteString(line)
	}
	return b.String()
}

var exported = regexp.MustCompile(`^export (?:default )?(?:async )?(?:function|const|class|type|interface|enum) (\w+)`)

// exportsOf names what a module offers, components with their props, so that it need not be looked at to be used.
func exportsOf(p string, content []byte) string {
	if !strings.HasSuffix(p, ".ts") && !strings.HasSuffix(p, ".tsx") {
		return ""
	}
	var names []string
	for at := 0; at < len(content); {
		line, _, _ := bytes.Cut(content[at:], []byte("\n"))
		if bytes.HasPrefix(line, []byte("export ")) { // most lines: spare them the expression
			if len(names) == maxNames {
				names = append(names, "...")
				break
			}
			if m := exported.FindSubmatch(line); m != nil {
				name := string(m[1])
				if strings.HasPrefix(p, "src/components/") && bytes.Contains(line, []byte("function ")) {
					name += propsOf(content[at:])
				}
				names = append(names, name)
			}
		}
		at += len(line) + 1
	}
	if len(names) == 0 {
		return ""
	}
	return " " + strings.Join(names, ", ")
}

const maxSignature = 600 // bytes

// propsOf names the props that a component at the beginning of code takes apart in its signature.
func propsOf(code []byte) string {
	head := string(code[:min(len(code), maxSignature)])
	_, rest, found := strings.Cut(head, "({")
	if !found || strings.Contains(strings.TrimSuffix(head[:len(head)-len(rest)], "({"), ")") {
		return "" // the first parenthesis is another one
	}
	list, _, found := strings.Cut(rest, "}")
	if !found {
		return ""
	}
	var props []string
	for prop := range strings.SplitSeq(list, ",") {
		prop, _, _ = strings.Cut(prop, "=")
		prop, _, _ = strings.Cut(strings.TrimSpace(prop), ":")
		if prop != "" && prop != "className" && !strings.HasPrefix(prop, "...") {
			props = append(props, strings.TrimSpace(prop))
		}
	}
	if len(props) == 0 {
		return ""
	}
	return "{" + strings.Join(props, " ") + "}"
}
