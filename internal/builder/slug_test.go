package builder

import (
	"regexp"
	"strings"
	"testing"
)

func TestSlugOf(t *testing.T) {
	for prompt, want := range map[string]string{
		"Build me a llama grooming calendar":    "llama-grooming-calendar",
		"I run a café. We need a tasting log!":  "cafe-tasting-log",
		"":                                      "my-app",
		"日本語":                                   "my-app",
		"admin":                                 "my-admin",
		"preview of films":                      "my-preview-films",
		"100 push-ups":                          "push-ups",
		"<script>alert(1)</script> notes":       "script-alert-1-script",
		"Necesito una aplicación para mi barco": "barco",
		"v12--x":                                "my-v12-x",
		strings.Repeat("antidisestablish ", 20): "antidisestablish",
		strings.Repeat("x", 100<<10):            "my-app",
	} {
		if got := SlugOf(prompt); got != want {
			t.Errorf("SlugOf(%.40q) = %q, want %q", prompt, got, want)
		}
	}
}

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func FuzzSlugOf(f *testing.F) {
	for _, seed := range []string{"", "todo app", "ÄÖÜ ß", "preview-x", "v1--x", "---", "\xff\x00", "www"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, prompt string) {
		slug := SlugOf(prompt)
		for n := range 12 {
			s := slugVariant(slug, n)
			if !label.MatchString("preview-"+s) || len("v123456789--preview-"+s) > 63 || reservedSlugs[s] || slugTaken.MatchString(s) {
				t.Errorf("SlugOf(%q), variant %d = %q is not usable", prompt, n, s)
			}
		}
	})
}
