// Package templates is the foundation that every generated app starts from.
//
// shared/ holds it in five groups, each file at its path inside the app:
//
//	core      build settings, entry point, theme, formatting, hooks, the app's frame
//	auth      sign-in, sign-up, password reset, the session
//	database  the client, the app's own name space in a shared database, errors of row level security
//	routing   the router, which only reads route-config.ts and paths.ts, and the pages every app has
//	ui        the design system: buttons, fields, tables, dialogs, charts
//
// The foundation alone is a working app with sign-in and one empty page. What a model writes for a prompt
// replaces src/app.config.ts, src/routes/{paths,route-config}.ts, src/types/database.ts, src/tokens.css,
// src/pages/Dashboard.tsx, index.html and public/favicon.svg, and adds features, pages and migrations.
package templates

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed all:shared
var shared embed.FS

// groups in the order in which the foundation is written.
var groups = [...]string{"core", "auth", "database", "routing", "ui"}

// Groups returns the names of the foundation's groups, in writing order.
func Groups() []string { return append([]string(nil), groups[:]...) }

// Values are what the placeholders of a file stand for.
type Values struct {
	AppName string // {{APP_NAME}}: as the person wrote it, any characters
	AppSlug string // {{APP_SLUG}}: letters, digits and dashes
	AppID   int64  // {{APP_ID}}
	TeamID  int64  // {{TEAM_ID}}
}

// Foundation returns the files of all groups by their path inside the app, filled with v.
func Foundation(v Values) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, group := range groups {
		root := "shared/" + group
		err := fs.WalkDir(shared, root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := shared.ReadFile(p)
			if err != nil {
				return err
			}
			name := strings.TrimPrefix(p, root+"/")
			if _, twice := files[name]; twice {
				return fmt.Errorf("%s is in more than one group", name)
			}
			files[name] = Fill(content, v)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read the foundation's %s: %w", group, err)
		}
	}
	return files, nil
}

// Fill replaces the four placeholders {{APP_NAME}}, {{APP_SLUG}}, {{APP_ID}} and {{TEAM_ID}}.
//
// The name is free text, so it is escaped for the place it lands in: as HTML in a file that begins with
// "<" (index.html, an SVG), else as the inside of a double-quoted JSON or TypeScript string. Those are the only
// places where the placeholder may stand; a file that wants the name elsewhere reads it from app.config.ts.
func Fill(content []byte, v Values) []byte {
	if !bytes.Contains(content, []byte("{{")) {
		return content
	}
	name := stringBody(v.AppName)
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte("<")) {
		name = html.EscapeString(v.AppName)
	}
	// One pass: a name that holds "{{APP_ID}}" stays as it was written.
	return []byte(strings.NewReplacer(
		"{{APP_NAME}}", name,
		"{{APP_SLUG}}", stringBody(v.AppSlug),
		"{{APP_ID}}", strconv.FormatInt(v.AppID, 10),
		"{{TEAM_ID}}", strconv.FormatInt(v.TeamID, 10),
	).Replace(string(content)))
}

// stringBody returns s as it stands between the quotes of a JSON string, which TypeScript reads alike.
// encoding/json writes < > & as escapes, so the text cannot end a script element either.
func stringBody(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // a string always encodes
		panic(err)
	}
	return string(b[1 : len(b)-1])
}
