package model

// AppQuery is how the list of apps is narrowed and ordered.
type AppQuery struct {
	Search string // words in the name, the slug or the first prompt
	Status string // an AppStatus, or "" for all
	Sort   string // "updated" (default), "created", "name"
}

// AppCard is one app in the grid.
type AppCard struct {
	App           App
	Head          Version // the zero Version before the first green one
	Author        User
	HasScreenshot bool
}

// FileDiff is what one version did to one file.
type FileDiff struct {
	Path    string
	Action  string
	Unified string // bounded; "" for binary files
	Added   int    // lines
	Removed int
}
