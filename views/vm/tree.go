package vm

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"overskill/internal/model"
)

// Code is the tab with the files of one version.
type Code struct {
	Versions []VersionItem
	Shown    VersionItem
	Tree     []*Node
	Changed  int // files that the shown version changed
	Path     string
	Language string
	Size     string
	Lines    []CodeLine
	Binary   bool
	Gone     bool // the file was deleted in this version
	Lock     Lock // of the file that is shown
}

// Lock is whether the builder may change a file, and how that is changed.
type Lock struct {
	On   bool
	Able bool // the file is there, so that it can be locked
}

// Node is a file or a folder.
type Node struct {
	Name    string
	Path    string
	URL     string // of a file
	Folder  bool
	Open    bool // a folder that holds the current file or a change
	Current bool
	Mark    string // A, M, D, R, "" when unchanged
	Class   string // of the mark
	Word    string // the mark in words
	Locked  bool   // the builder may not change the file
	Nodes   []*Node
}

var marks = map[string][3]string{
	"create":  {"A", "new", "New"},
	"update":  {"M", "mod", "Changed"},
	"rename":  {"R", "mod", "Renamed"},
	"restore": {"M", "mod", "Restored"},
	"delete":  {"D", "err", "Deleted"},
}

// NewTree makes folders of paths: folders first, then files, each by name. Files that all are new carry no
// marks: in a first version a mark on every line says nothing. locked are the paths of locked files.
func NewTree(slug, number, current string, files []model.VersionFile, locked []string) (tree []*Node, changed int) {
	allNew := true
	for _, f := range files {
		allNew = allNew && f.Action == "create"
	}
	root := &Node{Folder: true}
	for _, f := range files {
		node := &Node{
			Path: f.Path, Current: f.Path == current, Locked: slices.Contains(locked, f.Path),
			URL: "/apps/" + slug + "/code?" + url.Values{"v": {number}, "path": {f.Path}}.Encode(),
		}
		if m, ok := marks[f.Action]; ok && !allNew {
			node.Mark, node.Class, node.Word = m[0], m[1], m[2]
			changed++
		}
		parts := strings.Split(f.Path, "/")
		node.Name = parts[len(parts)-1]
		at := root
		for _, part := range parts[:len(parts)-1] {
			at = at.folder(part)
			at.Open = at.Open || node.Current || node.Mark != "" || part == "src"
		}
		at.Nodes = append(at.Nodes, node)
	}
	root.sort()
	return root.Nodes, changed
}

func (n *Node) folder(name string) *Node {
	for _, child := range n.Nodes {
		if child.Folder && child.Name == name {
			return child
		}
	}
	child := &Node{Name: name, Folder: true}
	n.Nodes = append(n.Nodes, child)
	return child
}

func (n *Node) sort() {
	slices.SortFunc(n.Nodes, func(a, b *Node) int {
		if a.Folder != b.Folder {
			if a.Folder {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	for _, child := range n.Nodes {
		child.sort()
	}
}

// FirstFile picks the file to show when nobody chose one: the first page that changed, else the first
// changed source file, else src/App.tsx, else the first file. "" when there are none.
func FirstFile(files []model.VersionFile) string {
	best, rank := "", 0
	for _, f := range files {
		r := 1
		switch {
		case f.Action == "delete":
			r = 0
		case f.Path == "src/App.tsx":
			r = 2
		case f.Action == "update" && strings.HasPrefix(f.Path, "src/pages/"):
			r = 4
		case f.Action == "update" && strings.HasPrefix(f.Path, "src/"):
			r = 3
		}
		if r > rank {
			best, rank = f.Path, r
		}
	}
	return best
}
