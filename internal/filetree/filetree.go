// Package filetree is the currency of the builder: an immutable snapshot of an app's files.
//
// A Tree maps a slash-separated relative path to bytes. Every change returns a new Tree and leaves the
// old one as it was, so a stage that fails halfway has changed nothing. Contents are known by their
// sha256, which makes comparing two versions a matter of comparing hashes.
package filetree

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"overskill/internal/fault"
)

// Limits of one app's source. They bound what a model, an import or a person can put into a version.
const (
	MaxFiles    = 2000
	MaxFileSize = 2 << 20  // bytes
	MaxTreeSize = 32 << 20 // bytes
	MaxPathLen  = 240      // bytes
)

// File is one entry of a Tree. Content must not be modified.
type File struct {
	Content []byte
	Hash    string // sha256 of Content, lower-case hex
}

// Tree is an immutable set of files. The zero Tree is empty and ready to use.
type Tree struct {
	files map[string]File
	size  int
}

// New returns a Tree with these files, or an Invalid or TooLarge fault that names the first bad path.
func New(files map[string][]byte) (Tree, error) {
	var t Tree
	var err error
	t.files = make(map[string]File, len(files))
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if err = t.put(p, files[p]); err != nil {
			return Tree{}, err
		}
	}
	return t, nil
}

// put adds a file to a tree that nobody else has seen yet.
func (t *Tree) put(p string, content []byte) error {
	if err := ValidatePath(p); err != nil {
		return err
	}
	if len(content) > MaxFileSize {
		return fault.New(fault.TooLarge, "%s has %d bytes; a file may have %d.", p, len(content), MaxFileSize)
	}
	old, had := t.files[p]
	if !had && len(t.files) >= MaxFiles {
		return fault.New(fault.TooLarge, "An app may have %d files.", MaxFiles)
	}
	size := t.size - len(old.Content) + len(content)
	if size > MaxTreeSize {
		return fault.New(fault.TooLarge, "An app's files may have %d bytes in all.", MaxTreeSize)
	}
	t.files[p] = File{Content: content, Hash: HashOf(content)}
	t.size = size
	return nil
}

func (t Tree) clone() Tree {
	c := Tree{files: maps.Clone(t.files), size: t.size}
	if c.files == nil {
		c.files = map[string]File{}
	}
	return c
}

// HashOf returns the content address of b.
func HashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Get returns a file's content.
func (t Tree) Get(p string) ([]byte, bool) {
	f, ok := t.files[p]
	return f.Content, ok
}

// File returns a file with its hash.
func (t Tree) File(p string) (File, bool) {
	f, ok := t.files[p]
	return f, ok
}

// Has reports whether the path is a file of the tree.
func (t Tree) Has(p string) bool { _, ok := t.files[p]; return ok }

// Paths returns all paths in order.
func (t Tree) Paths() []string { return slices.Sorted(maps.Keys(t.files)) }

// Len returns the number of files, Size their bytes.
func (t Tree) Len() int  { return len(t.files) }
func (t Tree) Size() int { return t.size }

// Map returns the contents by path, in a map of the caller's own.
func (t Tree) Map() map[string][]byte {
	m := make(map[string][]byte, len(t.files))
	for p, f := range t.files {
		m[p] = f.Content
	}
	return m
}

// With returns a tree in which p has this content.
func (t Tree) With(p string, content []byte) (Tree, error) {
	c := t.clone()
	if err := c.put(p, content); err != nil {
		return t, err
	}
	return c, nil
}

// WithAll returns a tree in which all these files have these contents: all of them or, with an error, none.
func (t Tree) WithAll(files map[string][]byte) (Tree, error) {
	c := t.clone()
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if err := c.put(p, files[p]); err != nil {
			return t, err
		}
	}
	return c, nil
}

// Without returns a tree that lacks p.
func (t Tree) Without(p string) Tree {
	f, ok := t.files[p]
	if !ok {
		return t
	}
	c := t.clone()
	delete(c.files, p)
	c.size -= len(f.Content)
	return c
}

// Hash identifies the whole tree: equal trees have equal hashes.
func (t Tree) Hash() string {
	h := sha256.New()
	for _, p := range t.Paths() {
		h.Write([]byte(p))
		h.Write([]byte{0})
		h.Write([]byte(t.files[p].Hash))
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Action is how a file of one version differs from the version before; the words are those of the database.
type Action string

const (
	Create  Action = "create"
	Update  Action = "update"
	Delete  Action = "delete"
	Rename  Action = "rename"
	Restore Action = "restore"
)

// Change is one path that differs between two trees.
type Change struct {
	Path   string
	Action Action
}

// Diff lists what must be done to old to get t, in path order. It knows Create, Update and Delete only:
// whether a pair is a rename or a restore is the caller's knowledge.
func (t Tree) Diff(old Tree) []Change {
	var out []Change
	for p, f := range t.files {
		if o, ok := old.files[p]; !ok {
			out = append(out, Change{p, Create})
		} else if o.Hash != f.Hash {
			out = append(out, Change{p, Update})
		}
	}
	for p := range old.files {
		if !t.Has(p) {
			out = append(out, Change{p, Delete})
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// IsText reports whether b can be shown and edited as text: valid UTF-8 without NUL.
func IsText(b []byte) bool {
	return utf8.Valid(b) && !slices.Contains(b, 0)
}

// ValidatePath refuses everything that is not a plain relative path: absolute ones, "..", empty or dotted
// parts, backslashes, control characters, node_modules, .git, and names that Windows cannot hold.
func ValidatePath(p string) error {
	bad := func(why string) error {
		return fault.New(fault.Invalid, "%q is not a usable path: %s.", p, why)
	}
	switch {
	case p == "":
		return bad("it is empty")
	case len(p) > MaxPathLen:
		return bad("it is too long")
	case !utf8.ValidString(p):
		return bad("it is not UTF-8")
	case strings.HasPrefix(p, "/"):
		return bad("it must be relative")
	case path.Clean(p) != p:
		return bad("write it without \".\", \"..\", doubled or trailing slashes")
	}
	for _, r := range p {
		if r < 0x20 || r == 0x7f || strings.ContainsRune(`\:*?"<>|`, r) {
			return bad("it holds a character that file systems refuse")
		}
	}
	for part := range strings.SplitSeq(p, "/") {
		switch part {
		case "..":
			return bad("it leaves the app")
		case "node_modules", ".git":
			return bad("that folder is not part of the source")
		}
		if strings.HasSuffix(part, " ") || strings.HasSuffix(part, ".") {
			return bad("a part ends in a space or a dot")
		}
	}
	return nil
}
