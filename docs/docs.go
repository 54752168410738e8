// Package docs holds the documents that the program itself needs. The others are for people only.
package docs

import _ "embed"

// AIAppStandards are the rules for generated apps, as people and models read them.
//
//go:embed AI_APP_STANDARDS.md
var AIAppStandards string
