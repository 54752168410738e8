package tailwind

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"overskill/internal/filetree"
)

// maxScanned is the size from which on a file of a package is not scanned for names.
const maxScanned = 2 << 20 // bytes

// skipped are the files that Tailwind's automatic detection leaves out: they hold no class names but many words.
var skipped = regexp.MustCompile(`(^|/)(package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|yarn\.lock|bun\.lockb?|deno\.lock)$` +
	`|^(dist|build|\.git|coverage)/|\.(css|scss|sass|less|styl|map|lock|log)$` +
	`|\.(png|jpe?g|gif|webp|avif|ico|bmp|tiff?|woff2?|ttf|otf|eot|mp[34]|webm|ogg|wav|pdf|zip|gz|wasm|exe|bin)$`)

// pattern turns a glob of Tailwind (*, **, ?, {a,b}, [ab]) into an expression over absolute paths.
func pattern(base, glob string) (*regexp.Regexp, error) {
	if !path.IsAbs(glob) {
		glob = path.Join(base, glob) // resolves .. as well; stars are ordinary letters to Join
	}
	var b strings.Builder
	b.WriteByte('^')
	depth := 0
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case strings.HasPrefix(glob[i:], "/**/"):
			b.WriteString("/(?:.*/)?")
			i += 3
		case strings.HasPrefix(glob[i:], "**"):
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?':
			b.WriteString("[^/]")
		case c == '{':
			b.WriteString("(?:")
			depth++
		case c == '}' && depth > 0:
			b.WriteByte(')')
			depth--
		case c == ',' && depth > 0:
			b.WriteByte('|')
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString(strings.Repeat(")", depth))
	b.WriteString("(?:/.*)?$") // a folder means what is in it
	return regexp.Compile(b.String())
}

// scanned calls visit for every file whose words are class names, with a hash where one is known.
func (c *compiler) scanned(tree filetree.Tree, visit func(hash string, content []byte)) error {
	type rule struct {
		re      *regexp.Regexp
		negated bool
	}
	var rules []rule
	for _, s := range c.sources {
		re, err := pattern(s.Base, s.Pattern)
		if err != nil {
			return &Error{Message: "@source " + s.Pattern + " is not a pattern of files."}
		}
		rules = append(rules, rule{re, s.Negated})
	}
	for _, p := range tree.Paths() {
		in := c.auto && !skipped.MatchString(p)
		for _, r := range rules {
			if r.re.MatchString(c.files.abs(p)) {
				in = !r.negated
			}
		}
		if in {
			f, _ := tree.File(p)
			visit(f.Hash, f.Content)
		}
	}
	for i, s := range c.sources {
		if root := packageRoot(c.files.dir, s); root != "" && !s.Negated {
			if err := walkPackage(root, rules[i].re, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// packageRoot returns the folder in node_modules that a source begins with, or "".
func packageRoot(dir string, s source) string {
	p := s.Pattern
	if !path.IsAbs(p) {
		p = path.Join(s.Base, p)
	}
	if i := strings.IndexAny(p, "*?{["); i >= 0 {
		p = path.Dir(p[:i] + "x")
	}
	if !strings.HasPrefix(p, dir+"/node_modules/") {
		return ""
	}
	return p
}

func walkPackage(root string, re *regexp.Regexp, visit func(string, []byte)) error {
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !re.MatchString(filepath.ToSlash(p)) || skipped.MatchString(p) {
			return err
		}
		if info, err := d.Info(); err != nil || info.Size() > maxScanned {
			return err
		}
		b, err := os.ReadFile(p)
		if err == nil {
			visit("", b)
		}
		return err
	})
	if os.IsNotExist(err) {
		return &Error{Message: "@source names a folder that is not there: " + path.Base(root)}
	}
	return err
}
