package part

import (
	"context"
	"html"
	"io"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"overskill/views/vm"
)

// Code, Diff and path are written by hand: inside them white space counts, and templ may add some between tags.

// Diff prints a difference line by line; label names it for a screen reader.
func Diff(label string, flat bool, lines []vm.DiffLine) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		class := "diff"
		if flat {
			class += " flat"
		}
		b.WriteString(`<code class="` + class + `" tabindex="0" aria-label="` + html.EscapeString(label) + `">`)
		for _, line := range lines {
			text := html.EscapeString(line.Text)
			switch line.Kind {
			case "h":
				b.WriteString(`<span class="h">` + text + `</span>`)
			case "":
				b.WriteString(`<span><i>` + strconv.Itoa(line.Number) + `</i>` + line.Marker() + text + `</span>`)
			default:
				b.WriteString(`<span class="` + line.Kind + `"><i>` + strconv.Itoa(line.Number) + `</i>` + line.Marker() + text + `</span>`)
			}
		}
		b.WriteString(`</code>`)
		_, err := io.WriteString(w, b.String())
		return err
	})
}

// Code prints a file with line numbers; label names it for a screen reader.
func Code(label string, lines []vm.CodeLine) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		b.WriteString(`<code class="code grow" id="code" tabindex="0" aria-label="` + html.EscapeString(label) + `">`)
		for _, line := range lines {
			if line.Changed {
				b.WriteString(`<span class="was">`)
			} else {
				b.WriteString(`<span>`)
			}
			for _, s := range line.Spans {
				text := html.EscapeString(s.Text)
				if s.Class != "" {
					text = `<b class="` + s.Class + `">` + text + `</b>`
				}
				b.WriteString(text)
			}
			b.WriteString(`</span>`)
		}
		b.WriteString(`</code>`)
		_, err := io.WriteString(w, b.String())
		return err
	})
}

// path prints a file's path: the folder gives way when there is little room, the name never does.
func path(dir, file string) templ.Component {
	text := html.EscapeString(file)
	if dir != "" {
		text = `<span>` + html.EscapeString(dir) + `</span>` + text
	}
	return templ.Raw(`<code class="path">` + text + `</code>`)
}
