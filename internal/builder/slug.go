package builder

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// A slug is part of a DNS label of 63 characters at most: v<version id>--preview-<slug> is the longest.
const maxSlug = 40

// reservedSlugs are addresses that belong to the product itself.
var reservedSlugs = map[string]bool{
	"www": true, "api": true, "admin": true, "app": true, "dev": true, "preview": true, "static": true, "mail": true,
}

// slugTaken patterns would collide with the addresses of previews and candidates.
var slugTaken = regexp.MustCompile(`^(preview-|v[0-9]+-)`)

// fillers say nothing about what an app is.
var fillers = wordSet(`a about an and app application are as at be build by can called code could create design develop
	do each easy for from full generate give get good has have help i id if implement in into is it its just keep like
	little make manage me mini modern my nice of on one or our page please program quick run running see should simple
	site small so some something system that the them then there they this to tool track up us use using want we web
	webapp website what where which who with would write you your need needs also add will when whose
	una un el la los las de del para que con mi necesito quiero aplicación aplicacion una y
	eine ein der die das für fur und mit ich brauche möchte mochte app zum zur
	une le les des pour avec je veux besoin et mon ma`)

func wordSet(s string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(s) {
		out[w] = true
	}
	return out
}

// SlugOf makes an address from a prompt: its first few telling words. The result is always usable.
func SlugOf(prompt string) string {
	var words []string
	length := 0
	for _, w := range asciiWords(prompt) {
		if fillers[w] || len(words) == 0 && w[0] >= '0' && w[0] <= '9' {
			continue
		}
		if len(words) == 4 || length+len(w)+1 > maxSlug-8 { // leaves room for a suffix
			break
		}
		words = append(words, w)
		length += len(w) + 1
	}
	slug := strings.Join(words, "-")
	if slug == "" || reservedSlugs[slug] || slugTaken.MatchString(slug+"-") {
		slug = strings.Trim("my-"+slug, "-")
		if slug == "my" {
			slug = "my-app"
		}
	}
	return slug
}

// asciiWords splits a text into lower-case runs of a-z and 0-9, with accents taken off; at most the first
// 4,000 bytes count.
func asciiWords(text string) []string {
	if len(text) > 4000 {
		text = text[:4000]
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(text)) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r), r == '\'', r == '’': // "café" is one word, and so is "what's"
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Fields(b.String())
}

// slugVariant is the nth proposal for a slug: itself, then -2 to -9, then random ends.
func slugVariant(slug string, n int) string {
	switch {
	case n == 0:
		return slug
	case n < 9:
		return fmt.Sprintf("%s-%d", slug, n+1)
	}
	return slug + "-" + strings.ToLower(rand.Text()[:5])
}

// nameOf turns a slug into a first name for people, until the author finds a better one.
func nameOf(slug string) string {
	name := strings.ReplaceAll(slug, "-", " ")
	return strings.ToUpper(name[:1]) + name[1:]
}
