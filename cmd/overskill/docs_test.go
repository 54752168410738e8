package main

import (
	"os"
	"strings"
	"testing"

	"overskill/internal/deploy/cloudflare"
)

// TestDeployNamesEveryPermission keeps docs/DEPLOY.md true: a token made by it can do all that we do.
func TestDeployNamesEveryPermission(t *testing.T) {
	text, err := os.ReadFile("../../docs/DEPLOY.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range cloudflare.Permissions {
		if !strings.Contains(string(text), "| "+p.String()+" |") {
			t.Errorf("docs/DEPLOY.md does not name %s", p)
		}
	}
	if len(cloudflare.Permissions) == 0 {
		t.Error("there are no permissions to name")
	}
}
