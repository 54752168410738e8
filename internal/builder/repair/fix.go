package repair

import (
	"cmp"
	"fmt"
	"slices"

	"overskill/internal/builder/edit"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

// Fixed is one cure that was applied.
type Fixed struct {
	File string
	What string // a sentence for the build log
}

// Options is what Fix may know about the world outside the app's files.
type Options struct {
	// Exports returns the names that an installed package exports, given as it stands in an import ("lucide-react",
	// "react-router/dom"); none where that is not known. It may be nil.
	Exports func(spec string) []string
}

// exports returns the names of a package as a set; known is false when there are none to compare with.
func (o options) exports(spec string) (names map[string]bool, known bool) {
	names, asked := o.seen[spec]
	if !asked {
		names = map[string]bool{}
		if o.Exports != nil {
			for _, n := range o.Exports(spec) {
				names[n] = true
			}
		}
		o.seen[spec] = names
	}
	return names, len(names) > 0
}

// options asks for the names of each package once.
type options struct {
	Options
	seen map[string]map[string]bool
}

// maxPasses bounds how often Fix looks again: a corrected path can bring an export to light.
const maxPasses = 4

// Fix cures what needs no thought, in the files that the diagnostics name, whoever found them:
//
//   - imports of a wrong path or extension, or by a wrong name, with exactly one candidate; default imports that
//     should be named and the other way round; types that must be imported as types; imports that nothing uses;
//   - names that are used without an import, or imported from where they are not, and that exactly one file exports,
//     or React, the app's router or its icons; a declaration that is imported and lacks the word "export";
//   - icons and other names of packages that are plainly spelt otherwise, given Options.Exports;
//   - members and names of which TypeScript says "did you mean", where the difference is a slip of the pen.
//
// When there is doubt it leaves things as they are. It returns the tree unchanged, and no cures, if there is nothing that
// it can do. It never touches a file that does not parse, and no cure leaves one behind.
func Fix(tree filetree.Tree, diags []model.Diagnostic, given Options) (filetree.Tree, []Fixed) {
	opt := options{given, map[string]map[string]bool{}}
	p := analyse(tree)
	told := p.readFacts(diags)
	c := newCure(p, opt)
	for _, src := range p.sources {
		if f := told[src.path]; f != nil && !src.open {
			c.correct(src, f)
		}
	}
	tree, all := c.commit()
	for range maxPasses {
		c = newCure(analyse(tree), opt)
		for _, src := range c.p.sources {
			if f := told[src.path]; f != nil && !src.open {
				c.imports(src, f)
			}
		}
		next, fixed := c.commit()
		if len(fixed) == 0 {
			break
		}
		tree, all = next, append(all, fixed...)
	}
	return tree, all
}

// cure collects the changes of one pass over the files.
type cure struct {
	p     *project
	opt   options
	todo  map[string][]replacement
	fixed []Fixed
}

func newCure(p *project, opt options) *cure {
	return &cure{p: p, opt: opt, todo: map[string][]replacement{}}
}

func (c *cure) note(file, format string, args ...any) {
	c.fixed = append(c.fixed, Fixed{File: file, What: fmt.Sprintf(format, args...)})
}

// commit returns the tree with the changes made in all files that parse after them, and what was done to those.
func (c *cure) commit() (filetree.Tree, []Fixed) {
	changed := map[string][]byte{}
	for file, todo := range c.todo {
		was := c.p.byPath[file].text
		text := apply(was, todo)
		if text != was && edit.Check(file, []byte(text)) == nil {
			changed[file] = []byte(text)
		}
	}
	next, err := c.p.tree.WithAll(changed)
	if err != nil { // an import path grew past a bound of the tree
		return c.p.tree, nil
	}
	return next, slices.DeleteFunc(c.fixed, func(f Fixed) bool { return changed[f.File] == nil })
}

// replacement is a piece of text to be put in the place of another.
type replacement struct {
	from, to int
	text     string
}

// apply makes replacements from the end of the text to its beginning. Of two that overlap the later is made.
func apply(text string, todo []replacement) string {
	todo = slices.Clone(todo)
	slices.SortStableFunc(todo, func(a, b replacement) int { return cmp.Or(b.from-a.from, b.to-a.to) })
	done := len(text) + 1
	for _, r := range todo {
		if r.to > done {
			continue
		}
		text = text[:r.from] + r.text + text[r.to:]
		done = r.from
	}
	return text
}

// correct writes right names over wrong ones, but for those that are right and only lack their import.
func (c *cure) correct(src *source, f *facts) {
	skip := map[string]bool{}
	for _, name := range f.unknown {
		if _, ok := c.provider(src, name); ok {
			skip[name] = true
		}
	}
	todo, fixed := f.correct(src, skip)
	c.todo[src.path] = append(c.todo[src.path], todo...)
	c.fixed = append(c.fixed, fixed...)
	for _, r := range todo {
		delete(f.unused, r.text) // it may be used now
	}
}
